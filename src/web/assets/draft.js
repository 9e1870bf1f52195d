// What is being written: a draft for every conversation, which outlives a reload of its tab.

import { $ } from "./dom.js";

const KEPT = "drafts";

const drafts = new Map();
// Whether several lines of what is in the field were pasted.
let pasted = false;
// Whose drafts these are, once that is known.
let owner = null;

// `key` tells the conversation whose draft is in the field.
export function setUp(key) {
  const field = $("text");
  const onLines = (given) => (pasted ||= given.getData("text").includes("\n"));
  field.addEventListener("paste", (event) => onLines(event.clipboardData));
  field.addEventListener("drop", (event) => onLines(event.dataTransfer));
  field.addEventListener("input", () => (pasted &&= field.value !== ""));
  addEventListener("pagehide", () => {
    leave(key());
    keep();
  });
}

// In the storage of the tab, from here until the page is loaded again.
function keep() {
  const all = [...drafts].filter(([, { text }]) => text !== "");
  if (owner === null || all.length === 0) return;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ owner, all }));
  } catch {
    // There is no room for them.
  }
}

// The drafts of this user from before a reload. Those of another one, who had a page at this address, are nobody's.
export function restore(user) {
  if (owner !== null) return;
  owner = user;
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  sessionStorage.removeItem(KEPT);
  if (kept?.owner !== user) return;
  for (const [key, draft] of kept.all) if (!drafts.has(key)) drafts.set(key, draft);
}

export const of = (key) => drafts.get(key)?.text ?? "";

// The draft in the field becomes that of a conversation, which is not shown any more.
export function leave(key) {
  if (key !== null) drafts.set(key, { text: $("text").value, pasted });
}

// Shows the draft of a conversation in the field.
export function enter(key) {
  const draft = drafts.get(key);
  $("text").value = draft?.text ?? "";
  pasted = draft?.pasted ?? false;
}

// Takes the text out of the field.
export function take() {
  const taken = { text: $("text").value, pasted };
  $("text").value = "";
  pasted = false;
  return taken;
}

// Puts a text back that was not sent: into the field, before what was written since, or to the other drafts.
export function giveBack(key, isShown, taken) {
  const since = isShown ? take() : (drafts.get(key) ?? { text: "", pasted: false });
  const text = since.text === "" ? taken.text : `${taken.text}\n${since.text}`;
  drafts.set(key, { text, pasted: taken.pasted || since.pasted });
  if (isShown) enter(key);
}
