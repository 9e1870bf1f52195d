// The way to the node: a token for the code of the link, requests, and the stream of events.

const TOKEN = "token";
const SILENT = 40000;
// The node answers everything within some seconds, except that a code for another machine is good for two minutes.
const ANSWERED = { link: 120000 };
const LONGEST = 30000;

const CODE = /^#([0-9a-f]{64})$/;

let line = 0;

// The node refuses, or does not answer. The stream of events says which, so that not every request has to.
export class Refused extends Error {}

function token() {
  return sessionStorage.getItem(TOKEN);
}

export const hasCode = () => CODE.test(location.hash);

const NO_LINK = "This page opens with a link that works once, within two minutes. This tab has opened none since the node was started.";
const USED = "A link works once, within two minutes. If somebody else has opened this one, darknode web --off logs out every browser. A tab that was logged in goes on.";

// Exchanges the code in the address for a token, and removes it from there. If nobody is logged in then, says what is wrong: a title
// and a text.
export async function enter() {
  const code = CODE.exec(location.hash)?.[1];
  if (code !== undefined) {
    history.replaceState(null, "", location.pathname);
    try {
      sessionStorage.setItem(TOKEN, JSON.parse(await post("/login", { code })).token);
    } catch (error) {
      if (token() !== null) return null;
      return error.cause === 403 ? ["This link was used or is too old", USED] : ["This link cannot be opened now", error.message];
    }
  }
  return token() === null ? ["This tab is not logged in", NO_LINK] : null;
}

async function call(path, init) {
  const used = token();
  const headers = { ...init?.headers, Authorization: `Bearer ${used}` };
  const answer = await fetch(path, { ...init, headers });
  // There may be another one meanwhile.
  if (answer.status === 401 && path !== "/login" && token() === used) sessionStorage.removeItem(TOKEN);
  if (!answer.ok) throw new Refused(await answer.text(), { cause: answer.status });
  return answer;
}

// Sends JSON, and reads the whole answer. Gives up when it takes too long.
async function post(path, body, longest = LONGEST) {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), longest);
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await call(path, { method: "POST", headers, body: JSON.stringify(body), signal: stop.signal });
    return await answer.text();
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(stop.signal.aborted ? `The node has not answered for ${longest / 1000} seconds.` : "The node does not answer.");
  } finally {
    clearTimeout(late);
  }
}

// What the node says, without macros and how they are typed: here are fields and buttons.
const sentence = (message) => message.trim().replace(/^usage: .*? \((.*)\)$/s, "$1").replace(/; [^;]*\\[a-z].*$/s, "");

// Makes a request of the local API. Fails with what the node says if it refuses.
export async function ask(what, keys) {
  line += 1;
  const [first] = (await post("/api", { ...keys, do: what, line }, ANSWERED[what])).split("\n");
  const event = JSON.parse(first);
  if (event.event === "error") throw new Refused(sentence(event.message), { cause: event.code });
  return event;
}

// Gives every event after a cursor, until the stream ends. A stream without a sign of life has ended.
export async function stream(since, give) {
  const stop = new AbortController();
  let silent = setTimeout(() => stop.abort(), SILENT);
  try {
    const answer = await call(`/api/events?since=${since}`, { signal: stop.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silent);
      silent = setTimeout(() => stop.abort(), SILENT);
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const text of lines) if (text !== "") give(JSON.parse(text));
    }
  } finally {
    clearTimeout(silent);
  }
}
