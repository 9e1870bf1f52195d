// What an examination has found. Where the node names a macro, for terminals, the page has words and controls of its own.

import { ask } from "./api.js";
import { $, h } from "./dom.js";

// By the first macro in what is to be done: the page's words for it, and its control. `run` makes a request, says in a place what came
// of it, and examines again.
const CONTROLS = {
  ping: (_, run) => ["Dial an address of theirs here, or start the node with --bootstrap.", dial(run)],
  me: (user) => [`Ask ${user} for their address: it is on the page there under Me, or shown by \\me at a terminal. Open a conversation with it.`, h("button", { type: "button", onclick: enterAddress }, "Enter an address")],
  add: (user, run) => [`Link with ${user} again.`, link(user, run)],
  requests: (user) => [`Ask ${user} to answer, or to accept you: under Requests on the page there, or by \\requests at a terminal.`],
};

function dial(run) {
  const place = h("input", { id: "dialled", autocomplete: "off", placeholder: "host or IP address, and port", maxlength: 500 });
  const said = h("p", { role: "status" });
  const submit = (event) => {
    event.preventDefault();
    if (place.value.trim() !== "") run(() => ask("ping", { host: place.value.trim() }), said);
  };
  return h("form", { onsubmit: submit },
    h("label", { for: "dialled" }, "Address to dial"), h("div", { class: "row" }, place, h("button", null, "Dial")), said);
}

function link(user, run) {
  const said = h("p", { role: "status" });
  return h("div", null, h("button", { type: "button", onclick: () => run(() => ask("add", { user }), said) }, `Link with ${user}`), said);
}

function enterAddress() {
  document.body.dataset.pane = "list";
  $("whom").focus();
}

// The report as elements.
export function report({ user, checks, verdict, action }, run) {
  const named = /\\([a-z]+)/.exec(action)?.[1];
  const [text, control] = CONTROLS[named]?.(user, run) ?? [action];
  const rows = checks.map(({ name, state, text }) =>
    h("tr", null, h("th", { scope: "row" }, name), h("td", { class: state }, state), h("td", null, text)));
  return [
    h("p", null, h("strong", null, "Verdict: "), verdict),
    h("div", { id: "to-do" }, h("p", null, h("strong", null, "To do: "), text), control),
    h("table", null, h("caption", null, "What was checked"), h("tbody", null, ...rows))];
}
