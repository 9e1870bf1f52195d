// Conversations: the list, the timeline of one of them, what is sent, and what was read.

import { ask } from "./api.js";
import * as draft from "./draft.js";
import { $, clock, day, h, paced, show } from "./dom.js";

const PAGE = 50;
// Messages whose order is asked for when two have the same number: both were written at about the same time.
const TIED = 50;
// Messages in the document at most. A long history is read in pages.
const ROWS = 400;

// How far messages of mine have come: by message, and by session of the addressee. Without any, it waits on this node.
const progress = new Map();
let conversations = [];
let open = null;

// The conversation that is shown: its messages in order, and whether there are older and newer ones.
class Timeline {
  constructor(who, id) {
    this.who = who;
    this.id = id;
    this.messages = new Map();
    this.rows = new Map();
    this.older = true;
    this.newer = false;
    this.firstUnread = null;
    this.loading = false;
  }

  add(message) {
    if (this.messages.has(message.message)) return false;
    this.messages.set(message.message, message);
    return true;
  }

  sorted() {
    const all = [...this.messages.values()];
    return all.map((message, n) => [message, n]).sort(([a, i], [b, j]) => a.order - b.order || i - j).map(([message]) => message);
  }
}

export const current = () => open?.who ?? null;

// Under what the open conversation has its draft.
const key = () => (open === null ? null : (open.id ?? open.who));

const idOf = (who) => conversations.find((one) => one.with === who)?.id ?? null;

// Whether a name means the open conversation. What people are called can change, such as from an id to a name.
const isOpen = (who, id = idOf(who)) => open !== null && (open.id === null || id === null ? open.who === who : open.id === id);

export const list = () => conversations;

export const unread = () => conversations.reduce((sum, one) => sum + one.unread, 0);

// How far a message of mine has come, in words; nothing if the node does not send it and nobody is known to have it.
export function words(id) {
  const known = progress.get(id);
  if (known === undefined) return null;
  // Sessions to which others give it do not count.
  const owed = [...known.values()].filter((session) => session.state !== "settled");
  if (owed.length === 0) return known.size === 0 ? "waits" : null;
  const reached = owed.filter((session) => session.state === "delivered");
  if (reached.length === owed.length) return "delivered";
  if (reached.length > 0) return `delivered ${reached.length} of ${owed.length}`;
  const carried = owed.find((session) => session.state === "carried");
  if (carried) return carried.holder ? `with ${carried.holder}` : "with a relay";
  return "waits";
}

function track(id) {
  if (!progress.has(id)) progress.set(id, new Map());
  return progress.get(id);
}

// Takes in where messages of mine are. `name` tells whose session it is, or which one of mine.
export function onStatus(messages, name) {
  for (const message of messages) {
    const known = track(message.message);
    // A session that the addressee has no more need not get it.
    for (const [session, { state }] of known) if (state !== "delivered") known.delete(session);
    for (const { session, state, by } of message.sessions) advance(known, session, { state, holder: by && name(by) });
  }
  render();
}

export function onState({ message, session, state, holder }) {
  advance(track(message), session, { state, holder });
  render();
}

function advance(known, session, now) {
  if (known.get(session)?.state !== "delivered") known.set(session, now);
}

// What a message of mine was answered with, or what was typed elsewhere.
export function onQueued({ message, to, text, sent, order, state }, isHere = isOpen(to)) {
  if (state === undefined) track(message);
  if (!isHere || open.newer) return;
  if (open.add({ message, text, own: true, with: to, sent, order, from: "you" })) render(true);
}

// A message of mine was withdrawn.
export function onWithdrawn(message) {
  progress.delete(message);
  if (open?.messages.delete(message)) render();
  refresh();
}

export function onMessage(message, isLive) {
  if (!isOpen(message.with, message.own ? undefined : message.from_id) || open.newer) return;
  const newest = open.sorted().at(-1);
  if (open.messages.has(message.message)) return;
  const late = !message.own && newest !== undefined && message.order < newest.order;
  const followed = isAtEnd();
  open.add({ ...message, late });
  if ([...open.messages.values()].some((one) => one.order === message.order && one.message !== message.message)) arrange();
  if (!message.own && open.firstUnread === null && !isReading()) open.firstUnread = message.message;
  render(followed);
  if (isLive && followed) read();
}

// The node knows better which messages were late, and the authors' keys, by which messages of the same number are ordered.
const arrange = paced(300, async () => {
  const timeline = open;
  if (timeline === null) return;
  const { messages } = await ask("history", { user: timeline.who, n: TIED });
  for (const { message, late } of messages) {
    const known = timeline.messages.get(message);
    if (known === undefined) continue;
    timeline.messages.delete(message);
    timeline.messages.set(message, { ...known, late });
  }
  if (open === timeline) render();
});

function isAtEnd() {
  const box = $("scroll");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 40;
}

// Whether somebody looks at the end of the conversation.
function isReading() {
  return document.hasFocus() && document.visibilityState === "visible" && document.body.dataset.view === "chat" && isAtEnd();
}

export const read = paced(300, async () => {
  if (open === null || open.newer || !isReading()) return;
  const known = conversations.find((one) => isOpen(one.with, one.id));
  const last = open.sorted().filter((message) => !message.own).at(-1);
  if (!known?.unread || last === undefined) return;
  await ask("read", { with: open.who, through: last.message });
  refresh();
});

export const refresh = paced(400, async () => {
  conversations = (await ask("conversations")).conversations;
  const known = conversations.find((one) => isOpen(one.with, one.id));
  if (known !== undefined) open.id = known.id;
  if (known !== undefined && known.with !== open.who) return show_(known.with, known.id);
  renderList();
  read();
});

let presence = () => "";
let listeners = () => {};

// `words` tells how a user is reached; `changed` is called when the list has changed.
export function setUp(words, changed) {
  [presence, listeners] = [words, changed];
  $("scroll").addEventListener("scroll", () => {
    if ($("scroll").scrollTop < 200) page("before");
    else if (isAtEnd()) open?.newer ? page("after") : read();
  });
  addEventListener("focus", () => read());
  document.addEventListener("visibilitychange", () => read());
  $("newest").addEventListener("click", () => open && show_(open.who, open.id));
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    say();
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      say();
    } else if (event.key === "Escape" && !$("doubt").hidden) {
      event.stopPropagation();
      doubt(null);
    }
  });
  // Whoever goes on writing has answered.
  $("text").addEventListener("input", () => doubt(null));
  $("send-it").addEventListener("click", () => say(true));
  $("keep-it").addEventListener("click", () => doubt(null));
  draft.setUp(key);
}

// The drafts from before a reload.
export function restore(user) {
  draft.restore(user);
  if ($("text").value === "" && open !== null) draft.enter(key());
  renderList();
}

// Asks whether the text in the field is meant to be sent. Without a question, it is not in doubt any more.
function doubt(question) {
  const wasAsked = !$("doubt").hidden;
  $("doubt").hidden = question === null;
  show($("question"), question === null ? "" : question[0].toUpperCase() + question.slice(1));
  if (question !== null || wasAsked) $("text").focus();
}

export function renderList() {
  const items = conversations.map((one) => {
    const unsent = isOpen(one.with, one.id) ? "" : draft.of(one.id);
    const last = unsent !== "" ? `not sent: ${unsent}` : one.last === null ? "nothing was said yet" : `${one.last.own ? "you: " : ""}${one.last.text}`;
    const unread = one.unread > 0 && h("span", { class: "unread" }, String(one.unread), h("span", { class: "unseen" }, " unread"));
    const button = h("button", { type: "button", "aria-current": isOpen(one.with, one.id) ? "true" : null, onclick: () => choose(one.with, one.id) },
      h("span", { class: "name" }, one.with), unread,
      h("span", { class: "quiet" }, presence(one.id)),
      h("span", { class: "last" }, last));
    return h("li", null, button);
  });
  const focused = [...$("conversations").querySelectorAll("button")].indexOf(document.activeElement);
  $("conversations").replaceChildren(...items);
  if (focused >= 0) items[Math.min(focused, items.length - 1)]?.firstChild.focus();
  $("none").hidden = items.length > 0;
  const count = unread();
  document.title = count > 0 ? `(${count}) darknode` : "darknode";
  renderHead();
  listeners();
}

function renderHead() {
  const one = conversations.find((one) => isOpen(one.with, one.id));
  show($("who"), current() ?? "No conversation");
  show($("presence"), one ? presence(one.id) : "");
  show($("to"), current() === null ? "Message" : `To ${current()}`);
}

// Opens a conversation, and gives the message field the focus.
export async function choose(who, id = idOf(who)) {
  document.body.dataset.view = "chat";
  listeners(true);
  await show_(who, id);
  $("text").focus();
}

async function show_(who, id) {
  draft.leave(key());
  const isNew = !isOpen(who, id);
  const timeline = new Timeline(who, id);
  open = timeline;
  document.body.dataset.pane = "main";
  $("text").disabled = $("send").disabled = false;
  if (isNew) {
    draft.enter(key());
    doubt(null);
    show($("say-problem"), "");
  }
  const unread = conversations.find((one) => isOpen(one.with, one.id))?.unread ?? 0;
  const { messages, next } = await ask("history", { user: who, n: Math.max(PAGE, Math.min(unread + 10, ROWS)) });
  if (open !== timeline) return;
  // What has arrived meanwhile may be part of it; the node knows better which was late.
  const arrived = [...timeline.messages.values()];
  timeline.messages.clear();
  [...messages, ...arrived].forEach((message) => timeline.add(message));
  timeline.older = next !== null;
  const theirs = messages.filter((message) => !message.own);
  timeline.firstUnread = unread > 0 ? (theirs.at(-unread) ?? theirs[0])?.message ?? null : null;
  render(true);
  renderList();
  const mark = $("timeline").querySelector(".mark");
  if (mark) mark.scrollIntoView({ block: "center" });
  read();
  await status(who);
}

export async function status(who) {
  const { messages } = await ask("status", { user: who });
  onStatus(messages, sessionName);
}

let sessionName = () => null;

export const setNames = (name) => (sessionName = name);

// Shows the part of a conversation around a message.
export async function showAround(message) {
  await choose(message.with);
  const timeline = new Timeline(message.with, open.id);
  open = timeline;
  const [before, after] = await Promise.all([
    ask("history", { user: message.with, n: PAGE / 2, before: message.message }),
    ask("history", { user: message.with, n: PAGE / 2, after: message.message }),
  ]);
  [...before.messages, message, ...after.messages].forEach((one) => timeline.add(one));
  timeline.older = before.next !== null;
  timeline.newer = after.next !== null;
  render();
  timeline.rows.get(message.message)?.scrollIntoView({ block: "center" });
}

async function page(way) {
  const timeline = open;
  const isOlder = way === "before";
  if (timeline === null || timeline.loading || !(isOlder ? timeline.older : timeline.newer)) return;
  timeline.loading = true;
  try {
    const all = timeline.sorted();
    const from = (isOlder ? all[0] : all.at(-1))?.message;
    if (from === undefined) return;
    const { messages, next } = await ask("history", { user: timeline.who, n: PAGE, [way]: from });
    const known = isOlder ? [...messages, ...all] : [...all, ...messages];
    const kept = isOlder ? known.slice(0, ROWS) : known.slice(-ROWS);
    if (isOlder) [timeline.older, timeline.newer] = [next !== null, timeline.newer || kept.length < known.length];
    else [timeline.newer, timeline.older] = [next !== null, timeline.older || kept.length < known.length];
    timeline.messages = new Map(kept.map((message) => [message.message, message]));
    if (open === timeline) render();
  } finally {
    timeline.loading = false;
  }
}

function row(timeline, message) {
  const time = new Date(message.sent);
  const from = message.own ? (message.label ? `you (${message.label})` : "you") : message.from;
  const state = message.own ? words(message.message) : null;
  const text = `${state ?? ""}${message.late ? " late" : ""}`;
  const known = timeline.rows.get(message.message);
  if (known?.dataset.state === text) return known;
  const held = state && h("button", { type: "button", class: "state", onclick: () => listeners(true, message.message) }, state,
    h("span", { class: "unseen" }, ", show who has it"));
  const late = message.late && h("span", { class: "late quiet" }, "late");
  const made = h("li", { class: message.own ? "message own" : "message", "data-id": message.message, "data-state": text },
    h("time", { datetime: message.sent, title: time.toLocaleString() }, clock(time)),
    h("span", { class: "body", dir: "auto" }, h("span", { class: "from" }, from), message.text),
    late || held ? h("span", { class: "how" }, late, held) : null);
  timeline.rows.set(message.message, made);
  return made;
}

// Draws the timeline. What was in view stays there, as the end does; with `toEnd` the end is.
export function render(toEnd = false) {
  if (open === null) return;
  const timeline = open;
  const follows = toEnd || isAtEnd();
  if (timeline.messages.size > ROWS && !timeline.newer && isAtEnd()) {
    timeline.messages = new Map(timeline.sorted().slice(-ROWS / 2).map((message) => [message.message, message]));
    timeline.older = true;
  }
  const items = [];
  let last = null;
  for (const message of timeline.sorted()) {
    const date = day(new Date(message.sent));
    if (date !== last && !message.late) items.push(h("li", { class: "day" }, (last = date)));
    if (message.message === timeline.firstUnread) items.push(h("li", { class: "mark" }, "new"));
    items.push(row(timeline, message));
  }
  for (const id of timeline.rows.keys()) if (!timeline.messages.has(id)) timeline.rows.delete(id);
  const box = $("scroll");
  const top = box.getBoundingClientRect().top;
  const seen = [...$("timeline").children].find((item) => item.dataset.id && item.getBoundingClientRect().bottom > top);
  const before = seen?.getBoundingClientRect().top;
  const focused = document.activeElement?.closest?.("[data-id]")?.dataset.id;
  $("timeline").replaceChildren(...items);
  if (focused) timeline.rows.get(focused)?.querySelector("button")?.focus();
  const again = timeline.rows.get(seen?.dataset.id);
  if (follows && !timeline.newer) box.scrollTop = box.scrollHeight;
  else if (again) box.scrollTop += again.getBoundingClientRect().top - before;
  $("newest").hidden = !timeline.newer;
}

// `confirmed`: the person was asked already.
async function say(confirmed = false) {
  const timeline = open;
  if (timeline === null || $("text").value.trim() === "") return;
  const taken = draft.take();
  const { who, id } = timeline;
  const isShown = () => isOpen(who, id);
  const giveBack = () => draft.giveBack(isShown() ? key() : (id ?? who), isShown(), taken);
  doubt(null);
  const count = timeline.messages.size;
  try {
    const answer = await ask("say", { to: id ?? who, text: taken.text, ask: !confirmed, pasted: taken.pasted });
    show($("say-problem"), "");
    if (answer.event === "question") {
      giveBack();
      return isShown() && doubt(answer.question);
    }
    if (isShown()) {
      if (open.newer) await show_(open.who, open.id);
      // What has arrived meanwhile may have come before this message or after it: answers and events come on different ways.
      if (timeline.messages.size !== count) arrange();
      onQueued(answer, true);
      open.firstUnread = null;
    }
    refresh();
  } catch (error) {
    // What was typed is not lost; nothing says that it was sent.
    giveBack();
    show($("say-problem"), error.cause ? `Not sent: ${error.message}` : `${error.message} It may have this line or not: look before you send it again.`);
  }
}
