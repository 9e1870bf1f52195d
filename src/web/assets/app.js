// The page: what it shows when, and what it does about events.

import { Refused, ask, enter, hasCode, stream } from "./api.js";
import * as chat from "./chat.js";
import { report } from "./doctor.js";
import { $, counted, h, paced, show, svg } from "./dom.js";
import * as map from "./map.js";
import * as notify from "./notify.js";

const VIEWS = ["chat", "search", "map", "status", "doctor", "me"];
// The map is asked for again at most this often.
const REDRAWN = 2000;
// And the list of users.
const RELEARNT = 10000;
// Pauses between attempts to reach the node.
const [SOON, LATEST] = [1000, 10000];
// People nearby who are shown.
const NEAR = 20;

let me = null;
let at = "now";
let known = { nodes: [], edges: [], more: 0 };
let names = new Map();
// Who is on this network and is nobody this user has to do with, by id.
let near = new Map();
let chosen = null;

function view(name) {
  show($("refused"), "");
  document.body.dataset.view = name;
  for (const one of VIEWS) $(one).hidden = one !== name;
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function go(name) {
  view(name);
  document.body.dataset.pane = name === "chat" && chat.current() === null ? "list" : "main";
  if (name === "map") around();
  if (name === "status") status();
  if (name === "me") profile();
}

function problem(text) {
  $("problem").hidden = text === null;
  show($("problem"), text ?? "");
}

// In the place of everything: why there is nothing to see, and what to do.
function closed(title, text) {
  document.body.dataset.closed = title;
  document.title = `${title} - darknode`;
  $("problem").hidden = false;
  $("problem").replaceChildren(
    h("h2", null, title), h("p", null, text), h("p", null, "For a link, run this on the machine of the node:"),
    h("p", null, h("code", null, "darknode web --open")));
}

// Says where the person is looking that it takes a while, and what went wrong, if need be in other words than the node; the
// stream says it if the node is gone.
async function attempt(what, place, meanwhile = "", words = {}) {
  const tell = (text) => {
    show(place, text);
    if (text !== "") place.scrollIntoView({ block: "nearest" });
  };
  try {
    place.classList.add("quiet");
    tell(meanwhile);
    const done = await what();
    show(place, "");
    return done;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell(words[error.cause] ?? error.message);
    return null;
  } finally {
    place.classList.remove("quiet");
  }
}

// Who is around, and how they are reached.
const around = paced(REDRAWN, async () => {
  known = await ask("map");
  const linked = (way) => known.nodes.filter((node) => node.linked && node.way === way).length;
  const waiting = known.nodes.reduce((sum, node) => sum + (node.me ? 0 : (node.waiting ?? 0)), 0);
  const parts = [`${linked("direct")} here`, `${linked("through")} through others`, `${linked("away")} away`];
  const strangers = known.nodes.filter(map.isStranger).length;
  if (strangers > 0) parts.push(`${strangers} nearby`);
  if (waiting > 0) parts.push(`${counted(waiting, "line")} ${waiting === 1 ? "waits" : "wait"}`);
  show($("summary"), [me?.user, me?.network === null ? "open network" : "closed network", parts.join(", ")].join(" · "));
  if (!$("map").hidden) map.draw(known);
  chat.renderList();
});

// Whose session is whose, and which is which of mine, to say who carries a line. The list is long on a server.
const learn = paced(RELEARNT, async () => {
  const { users } = await ask("users");
  names = new Map(users.flatMap(({ user, distance, sessions }) =>
    sessions.map(({ session, label }) => [session, distance === 0 ? label : user])));
  near = new Map(users.filter((user) => user.nearby).map((user) => [user.id, user.user]));
  renderNear();
  if (!$("status").hidden) status();
  if (chat.current() !== null) chat.status(chat.current());
});

function renderNear() {
  const strangers = [...near].filter(([id]) => !chat.list().some((one) => one.id === id));
  $("near").hidden = strangers.length === 0;
  $("near").querySelector("ul").replaceChildren(...strangers.slice(0, NEAR).map(([id, user]) =>
    h("li", null, h("button", { type: "button", onclick: () => chat.choose(user, id) }, h("span", { class: "name" }, user)))));
  show($("near-more"), strangers.length > NEAR ? `and ${strangers.length - NEAR} more` : "");
}

function presence(id) {
  const node = known.nodes.find((node) => node.id === id);
  if (node === undefined) return "";
  const waiting = node.waiting ? `${counted(node.waiting, "line")} ${node.waiting === 1 ? "waits" : "wait"}` : null;
  const place = map.isStranger(node) && "nearby";
  return [place || (node.online && "here"), node.online || !place ? map.way(node) : null, waiting].filter(Boolean).join(", ");
}

let strangers = [];

const requests = paced(500, async () => {
  strangers = (await ask("requests")).users;
  renderRequests();
});

// Of somebody whose lines are shown, an answer is all that is wanted.
function renderRequests() {
  const isShown = (id) => chat.list().some((one) => one.id === id && one.last !== null);
  const wish = ({ id, lines }) =>
    (isShown(id) ? " is new to you" : " wants to write") + (lines > 0 ? `, ${counted(lines, "line")} held back` : "");
  const wishes = strangers.map((stranger) => [stranger.user, wish(stranger)]);
  const list = $("requests").querySelector("ul");
  if (list.dataset.wishes === JSON.stringify(wishes)) return;
  list.dataset.wishes = JSON.stringify(wishes);
  $("requests").hidden = wishes.length === 0;
  const button = (text, what, keys, user) =>
    h("button", { type: "button", onclick: () => ask(what, keys).then(requests).then(chat.refresh) }, text,
      h("span", { class: "unseen" }, ` ${user}`));
  list.replaceChildren(...wishes.map(([user, wish]) =>
    h("li", null, h("strong", null, user), wish,
      h("div", { class: "row" },
        button("Accept", "requests", { accept: user }, user),
        button("Dismiss", "requests", { dismiss: user }, user),
        button("Block", "block", { user }, user)))));
}

function holder({ state, by, carriers }) {
  if (state === "queued") return "waits on this node";
  if (state === "carried") return `with ${carriers.concat(by ?? []).filter((id, n, all) => all.indexOf(id) === n).map((id) => names.get(id) ?? "a relay").join(", ")}`;
  return state === "delivered" ? "delivered" : "left to another session";
}

const status = paced(500, async () => {
  const user = chosen && chat.current();
  const { messages } = await ask("status", user ? { user } : {});
  chat.onStatus(messages, (id) => names.get(id) ?? null);
  const sorted = [...messages].sort((one, other) => (other.message === chosen) - (one.message === chosen));
  show($("status-note"), messages.length === 0 ? "Nothing waits: everybody has what you wrote." : "");
  $("held").replaceChildren(...sorted.map((message) => {
    const waits = message.sessions.length === 0 || message.sessions.some(({ state }) => state === "queued" || state === "carried");
    return h("li", { class: message.message === chosen ? "chosen" : null },
      h("p", { class: "body", dir: "auto" }, message.text),
      h("p", { class: "quiet" }, `to ${message.to}`),
      h("ul", null, ...message.sessions.map((one) => h("li", null, `${one.label}: ${holder(one)}`)),
        message.sessions.length === 0 && h("li", null, "no session of theirs is known yet")),
      waits && h("p", { class: "row" },
        h("button", { type: "button", onclick: () => ask("cancel", { message: message.message }) }, "Withdraw"),
        h("button", { type: "button", onclick: () => examine(message.to) }, `Why? Examine ${message.to}`)));
  }));
});

async function examine(user) {
  go("doctor");
  $("patient").value = user;
  const found = await attempt(() => ask("doctor", user ? { user } : {}), $("report"), "Examining. This takes up to seven seconds.");
  if (found === null) return;
  const run = async (what, place) => (await attempt(what, place, "One moment.")) !== null && examine(user);
  $("report").replaceChildren(...report(found, run));
}

function qr(rows) {
  const size = rows.length + 8;
  const dark = rows.flatMap((row, y) => [...row].map((dot, x) => (dot === "1" ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join("");
  return svg("svg", { id: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "My address as a QR code" }, svg("path", { d: dark }));
}

async function profile() {
  const [mine, { sessions }] = await Promise.all([ask("me"), ask("sessions")]);
  const copy = h("button", { type: "button", onclick: () => navigator.clipboard.writeText(mine.address).then(() => show(copy, "Copied")) }, "Copy");
  $("profile").replaceChildren(
    h("dl", null,
      h("dt", null, "Name"), h("dd", null, mine.user),
      h("dt", null, "Fingerprint, to compare when you meet"), h("dd", { class: "code" }, mine.words),
      h("dt", null, "Address, for others to reach me"), h("dd", null, h("span", { class: "code" }, mine.address), " ", copy)),
    mine.qr ? qr(mine.qr) : "");
  $("sessions").replaceChildren(...sessions.map((one) =>
    h("li", null, [one.label, one.this ? "this node" : one.status, one.this || one.via !== "relayed" ? null : "through others"].filter(Boolean).join(", "))));
}

let lastSearch = null;

async function search(older) {
  const keys = older ? lastSearch : { text: $("query").value, n: 30 };
  if (!keys.text.trim()) return;
  view("search");
  document.body.dataset.pane = "main";
  const found = await ask("search", keys);
  lastSearch = { ...keys, before: found.next };
  show($("search-title"), `Search: ${keys.text}`);
  $("older").hidden = found.next === null;
  const items = found.messages.map((message) => h("li", null,
    h("button", { type: "button", onclick: () => chat.showAround(message) },
      h("span", { class: "quiet" }, `${message.own ? `you to ${message.with}` : message.from}, ${new Date(message.sent).toLocaleString()}`),
      h("br"), h("span", { class: "body", dir: "auto" }, message.text))));
  if (!older) $("found").replaceChildren(...(items.length > 0 || found.next ? items : [h("li", null, "Nothing was found.")]));
  else $("found").append(...items);
}

let live = false;
// Why the stream of events has ended, if the node has said so.
let farewell = null;

function onEvent(event) {
  if (event.at !== undefined && event.event !== "ready") at = event.at;
  switch (event.event) {
    case "ready":
      me = event;
      farewell = null;
      return chat.restore(event.id);
    case "subscribed":
    case "gap":
      live = false;
      return;
    case "live":
      live = true;
      problem(null);
      [around, learn, chat.refresh, requests].forEach((again) => again());
      return;
    case "message":
      chat.onMessage(event, live);
      if (live && !event.own && !event.past) notify.announce(event);
      return chat.refresh();
    case "queued":
      chat.onQueued(event);
      // Whoever is answered is accepted.
      return chat.refresh(), around(), requests();
    case "state":
      chat.onState(event);
      if (!$("status").hidden) status();
      return around();
    case "cancelled":
      chat.onWithdrawn(event.message);
      if (!$("status").hidden) status();
      return around();
    case "read":
      return chat.refresh();
    case "asked":
    case "requests":
      return requests();
    case "nearby":
      near.set(event.id, event.user);
      return renderNear(), around(), learn();
    case "away":
      near.delete(event.id);
      return renderNear(), around(), learn();
    case "online": case "offline": case "path": case "linked": case "unlinked": case "session":
      return around(), learn(), chat.refresh(), requests();
    case "warning":
      return show($("said"), event.message);
    case "web":
      farewell = OFF;
      return;
    case "stopped":
      farewell = GONE;
  }
}

// Why nobody was opened, where the node would name a macro.
const NOBODY = {
  "unknown-user": "Nobody of this name is known or near. Ask them for their address, which their page shows under Me, and enter it here.",
  "bad-address": "This is not a whole address. It begins with darkchat: and is what their page shows under Me.",
};

const GONE = "The node has stopped. Start it again, then run darknode web and open the link that it prints.";
const OFF = "This page was switched off; the node itself goes on. To switch it on again, run darknode web and open the link that it prints. What you are writing stays here until then.";
const SILENT = "The node does not answer. If it is not running, start it, then run darknode web and open the link that it prints. This page tries again by itself.";

async function connect() {
  for (let pause = SOON; ; pause = Math.min(2 * pause, LATEST)) {
    try {
      live = false;
      await stream(at, (event) => {
        pause = SOON;
        onEvent(event);
      });
    } catch (error) {
      if (error.cause === 401) return problem("This page is not logged in any more. Run darknode web and open the link that it prints.");
    }
    problem(farewell ?? SILENT);
    await new Promise((again) => setTimeout(again, pause));
  }
}

function onKey(event) {
  const { key, altKey } = event;
  const all = chat.list();
  if (altKey && /^[1-9]$/.test(key) && all[key - 1]) chat.choose(all[key - 1].with);
  else if (altKey && key.toLowerCase() === "n") {
    const next = all.find((one) => one.unread > 0 && one.with !== chat.current()) ?? all.find((one) => one.unread > 0);
    if (next) chat.choose(next.with);
  } else if (key === "Escape" && document.body.dataset.view !== "chat") go("chat");
  else if (key === "Escape") document.body.dataset.pane = "list";
  else return;
  event.preventDefault();
}

function listen() {
  chat.setUp(presence, (isOpened, message) => {
    if (message) {
      chosen = message;
      go("status");
    } else if (isOpened) view("chat");
    else {
      renderNear();
      renderRequests();
    }
  });
  chat.setNames((id) => names.get(id) ?? null);
  for (const button of document.querySelectorAll("nav button")) {
    button.addEventListener("click", () => {
      chosen = null;
      go(button.dataset.view);
    });
  }
  for (const button of document.querySelectorAll(".back")) button.addEventListener("click", () => {
    document.body.dataset.pane = "list";
    view("chat");
  });
  const submit = (id, run) => $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  submit("find", () => search(false));
  $("older").addEventListener("click", () => search(true));
  submit("examine", () => examine($("patient").value.trim()));
  submit("start", async () => {
    const user = $("whom").value.trim();
    if (user === "") return;
    const opened = await attempt(() => ask("chat", { user }), $("start-problem"), `Looking for ${user}. This takes up to five seconds.`, NOBODY);
    if (opened === null) return;
    $("whom").value = "";
    chat.refresh();
    await chat.choose(opened.with, opened.id);
  });
  submit("link", async () => {
    const linked = await attempt(() => ask("link", { code: $("code").value.trim() }), $("link-said"));
    if (linked === null) return;
    show($("link-said"), `${linked.label} is a session of yours now.`);
    profile();
  });
  notify.setUp();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    go("chat");
    (chat.current() === null ? $("whom") : $("text")).focus();
  });
  document.addEventListener("keydown", onKey);
  addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof Refused)) return;
    event.preventDefault();
    show($("refused"), event.reason.message);
  });
  addEventListener("hashchange", () => hasCode() && start());
}

let connected = false;

async function start() {
  const wrong = await enter();
  if (wrong !== null) return closed(...wrong);
  delete document.body.dataset.closed;
  problem(null);
  if (connected) return location.reload();
  connected = true;
  connect();
}

view("chat");
listen();
start();
