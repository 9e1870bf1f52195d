// Says who wrote while nobody looks at the page, in whatever tab.

import * as chat from "./chat.js";
import { $, show } from "./dom.js";

// Tabs of one browser tell each other which of them is looked at; `null` asks.
const tabs = new BroadcastChannel("darknode");
const me = Math.random();
const looked = new Set();

const isLookedAt = () => document.hasFocus() && document.visibilityState === "visible";

const tell = (seen) => tabs.postMessage({ tab: me, seen });

export function setUp() {
  tabs.addEventListener("message", ({ data }) => {
    if (data === null) tell(isLookedAt());
    else if (data.seen) looked.add(data.tab);
    else looked.delete(data.tab);
  });
  for (const change of ["focus", "blur"]) addEventListener(change, () => tell(isLookedAt()));
  document.addEventListener("visibilitychange", () => tell(isLookedAt()));
  addEventListener("pagehide", () => tell(false));
  tabs.postMessage(null);
  tell(isLookedAt());
  $("notify").addEventListener("click", async () => {
    const granted = "Notification" in window && (await Notification.requestPermission()) === "granted";
    show($("notify-said"), granted ? "This page tells you who wrote while you do not look at it." : "The browser does not allow it.");
  });
}

// A message that has just arrived.
export function announce(message) {
  show($("said"), `${message.from}: ${message.text}`);
  if (isLookedAt() || looked.size > 0 || !("Notification" in window) || Notification.permission !== "granted") return;
  // Who, not what: others may see the screen. The tag leaves one for each conversation, whatever tab it is from.
  const note = new Notification("darknode", { body: `${message.from} wrote`, tag: message.with });
  note.onclick = () => {
    focus();
    chat.choose(message.with, message.from_id);
  };
}
