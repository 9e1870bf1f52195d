// The way to the node: a token for the code of the link, requests, and the stream of events.

const TOKEN = "token";
const SILENT = 40000;

const CODE = /^#([0-9a-f]{64})$/;

let line = 0;

// The node refuses, or does not answer. The stream of events says which, so that not every request has to.
export class Refused extends Error {}

function token() {
  return sessionStorage.getItem(TOKEN);
}

export const hasCode = () => CODE.test(location.hash);

// Exchanges the code in the address for a token, and removes it from there. Says what is wrong, if something is.
export async function enter() {
  const code = CODE.exec(location.hash)?.[1];
  if (code !== undefined) {
    history.replaceState(null, "", location.pathname);
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (answer.ok) {
      sessionStorage.setItem(TOKEN, (await answer.json()).token);
      return null;
    }
    const why = await answer.text();
    if (token() === null) return why;
  }
  return token() === null ? "This browser is not logged in. Run darknode web and open the link that it prints." : null;
}

async function call(path, init) {
  const headers = { ...init?.headers, Authorization: `Bearer ${token()}` };
  const answer = await fetch(path, { ...init, headers }).catch(() => {
    throw new Refused("the node does not answer");
  });
  if (answer.status === 401) sessionStorage.removeItem(TOKEN);
  if (!answer.ok) throw new Refused(await answer.text(), { cause: answer.status });
  return answer;
}

// Makes a request of the local API. Fails with what the node says if it refuses.
export async function ask(what, keys) {
  line += 1;
  const answer = await call("/api", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...keys, do: what, line }),
  });
  const [first] = (await answer.text()).split("\n");
  const event = JSON.parse(first);
  if (event.event === "error") throw new Refused(event.message, { cause: event.code });
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
