// What a person does with the page, each as a flow: `node flows.mjs NAME`.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { TestBed } from "./bed.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Waits until a text is shown.
const sees = (page, where, text) => page.locator(where, { hasText: text }).first().waitFor();

async function opens(page, who) {
  await page.locator("#conversations button", { hasText: who }).click();
  await sees(page, "#who", who);
}

async function says(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
  await sees(page, ".message.own .body", text);
}

// Whether somebody looks at a page, as the browser would say it: a headless one shows all of its tabs.
async function hides(page, hidden) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (hidden ? "hidden" : "visible") });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

// Two linked nodes, and the page of the first.
async function couple(bed, ...more) {
  const [alice, bob] = [await bed.start("alice", ...more), await bed.start("bob")];
  await bed.befriend(alice, bob);
  await bob.asks(`\\chat ${alice.ready.id}`);
  const page = await bed.page(alice);
  await opens(page, "bob");
  return { alice, bob, page };
}

// Everything that a flow needs to see of the accessibility of a page.
async function checked(page) {
  // The page's own policy lets no script be added, so the check runs in the world of the test.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const world = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const run = `${AXE}; axe.run(document, { resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations))`;
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: run, contextId: world.executionContextId, awaitPromise: true, returnByValue: true,
  });
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  const violations = JSON.parse(result.value);
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

const flows = {
  async first(bed) {
    const [alice, bob, carol] = [await bed.start("alice"), await bed.start("bob"), await bed.start("carol")];
    const page = await bed.page(alice);
    await sees(page, "#none", "None yet.");
    await carol.asks(`\\ping ${(await alice.place()).replace(":", " ")}`);
    await sees(page, "#near button", "carol");
    await sees(page, "#summary", "0 here, 0 through others, 0 away, 1 nearby");
    await page.locator("nav button", { hasText: "Map" }).click();
    await page.locator("#map tbody tr", { hasText: "carol" }).filter({ hasText: "not linked" }).waitFor();
    assert.equal(await page.locator("#picture .node").count(), 2);
    await page.locator("nav button", { hasText: "Chat" }).click();
    await page.locator("#whom").fill("bob");
    await page.locator("#whom").press("Enter");
    await sees(page, "#start-problem", "Looking for bob.");
    await sees(page, "#start-problem", "Nobody of this name is known or near. Ask them for their address");
    await page.locator("#whom").fill("darkchat:bob@127.0.0.1:1");
    await page.locator("#whom").press("Enter");
    await sees(page, "#start-problem", "This is not a whole address.");
    // By the address he is found before his name is known.
    await page.locator("#whom").fill((await bob.asks("\\me")).address);
    await page.locator("#whom").press("Enter");
    await page.locator("#text:enabled").fill("hello bob");
    await page.locator("#text").press("Enter");
    assert.equal((await bob.event("message")).text, "hello bob");
    await sees(page, "#who", "bob");
    await sees(page, ".message.own .body", "hello bob");
    await sees(page, ".message.own .state", "delivered");
    await bob.asks(`\\chat ${alice.ready.id}`);
    await bob.asks("hello alice");
    await sees(page, ".message:not(.own) .body", "hello alice");
    await page.locator("#near button", { hasText: "carol" }).click();
    await sees(page, "#who", "carol");
    await says(page, "hello carol");
    assert.equal((await carol.event("message")).text, "hello carol");
    await page.locator("#near").waitFor({ state: "hidden" });
  },

  async chat(bed) {
    const { alice, bob, page } = await couple(bed);
    assert.equal(new URL(page.url()).hash, "", "the code is not in the address any more");
    await says(page, "hello from the page");
    assert.equal((await bob.event("message")).text, "hello from the page");
    await sees(page, ".message.own .state", "delivered");
    await bob.asks("hello from bob\u2019s terminal");
    await sees(page, ".message:not(.own) .body", "hello from bob\u2019s terminal");
    assert.equal(await page.locator("#timeline .day").count(), 1);
    await alice.asks(`\\chat ${bob.ready.id}`);
    await alice.asks("typed at the terminal of alice");
    await sees(page, ".message.own .body", "typed at the terminal of alice");
    const rows = await page.locator(".message .body").allTextContents();
    assert.equal(rows.length, 3, `each line is shown once: ${rows}`);
  },

  async multiline(bed) {
    const { bob, page } = await couple(bed);
    await page.locator("#text").pressSequentially("two");
    await page.locator("#text").press("Shift+Enter");
    await page.locator("#text").pressSequentially("lines \\quit");
    await page.locator("#text").press("Enter");
    assert.equal((await bob.event("message")).text, "two\nlines \\quit", "no text is a macro");
  },

  async drafts(bed) {
    const { alice, page } = await couple(bed);
    const carol = await bed.start("carol");
    await bed.befriend(alice, carol);
    await page.locator("#text").fill("half a line to bob");
    await opens(page, "carol");
    assert.equal(await page.locator("#text").inputValue(), "");
    await opens(page, "bob");
    assert.equal(await page.locator("#text").inputValue(), "half a line to bob");
  },

  async doubts(bed) {
    const { bob, page } = await couple(bed);
    const field = page.locator("#text");
    const asked = (question) => page.locator("#question", { hasText: question }).waitFor();
    await field.fill("/quit");
    await field.press("Enter");
    await asked("Send this as text to bob? /quit is no command here.");
    assert.equal(await field.inputValue(), "/quit");
    await page.locator("#keep-it").click();
    await page.locator("#doubt").waitFor({ state: "hidden" });
    await field.fill("\\quit");
    await field.press("Enter");
    await asked("Send this as text to bob? \\quit is no command here.");
    await field.press("End");
    await page.keyboard.type("?");
    await page.locator("#doubt").waitFor({ state: "hidden" });
    assert.equal(await field.inputValue(), "\\quit?", "whoever goes on writing has answered");
    await field.fill("");
    const pastes = (text) => field.evaluate((field, text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text", text);
      field.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
      field.setRangeText(text);
    }, text);
    await pastes("1\n2\n3\n4");
    await field.press("Enter");
    await asked("Send 4 lines to bob?");
    assert.deepEqual(await checked(page), []);
    await page.locator("#send-it").click();
    assert.equal((await bob.event("message")).text, "1\n2\n3\n4", "nothing was sent before");
    assert.equal(await field.inputValue(), "");
    await field.fill("1\n2\n3\n4");
    await field.press("Enter");
    assert.equal((await bob.event("message")).text, "1\n2\n3\n4", "lines by hand are sent at once");
  },

  async kept(bed) {
    const { alice, page } = await couple(bed, "--web", "127.0.0.1:0");
    const carol = await bed.start("carol");
    await bed.befriend(alice, carol);
    await page.locator("#text").fill("half a line to bob");
    await opens(page, "carol");
    await page.locator("#text").fill("and one to carol");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("drafts")), null, "only a reload needs them there");
    await page.reload();
    await page.locator("#conversations button", { hasText: "bob" }).filter({ hasText: "not sent: half a line to bob" }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.getItem("drafts")), null);
    await opens(page, "carol");
    assert.equal(await page.locator("#text").inputValue(), "and one to carol");
    await opens(page, "bob");
    assert.equal(await page.locator("#text").inputValue(), "half a line to bob");
    // The next user of this address gets none of them.
    const port = new URL(page.url()).port;
    await alice.killed();
    const dora = await bed.start("dora", "--web", `127.0.0.1:${port}`);
    await page.goto(dora.link());
    await sees(page, "#summary", "dora");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("drafts")), null);
  },

  async off(bed) {
    const { alice, page } = await couple(bed, "--web", "127.0.0.1:0");
    await page.locator("#text").fill("half a line");
    alice.web("--off");
    await sees(page, "#problem", "This page was switched off");
    await page.locator("#text").press("Enter");
    await sees(page, "#say-problem", "does not answer");
    await sees(page, "#problem", "This page was switched off");
    await Promise.all([page.waitForEvent("load"), page.goto(alice.link())]);
    await opens(page, "bob");
    assert.equal(await page.locator("#text").inputValue(), "half a line");
    assert.ok(await page.locator("#problem").isHidden());
  },

  async restart(bed) {
    const { alice, bob, page } = await couple(bed);
    await says(page, "before");
    await bob.event("message");
    await alice.killed();
    await sees(page, "#problem", "darknode web");
    await page.locator("#text").fill("into the void");
    await page.locator("#text").press("Enter");
    await sees(page, "#say-problem", "does not answer");
    assert.equal(await page.locator("#text").inputValue(), "into the void", "what was typed is not lost");
    const port = new URL(page.url()).port;
    const again = await bed.start("alice", "--web", `127.0.0.1:${port}`);
    await sees(page, "#problem", "not logged in any more");
    await page.goto(again.link());
    await opens(page, "bob");
    await sees(page, ".message.own .body", "before");
  },

  async reload(bed) {
    const { bob, page } = await couple(bed);
    await bob.asks("while it was open");
    await sees(page, ".message .body", "while it was open");
    await page.reload();
    await opens(page, "bob");
    await sees(page, ".message .body", "while it was open");
  },

  async map(bed) {
    const { bob, page } = await couple(bed);
    const carol = await bed.start("carol", "--relay");
    await bed.befriend(bob, carol);
    await page.locator("nav button", { hasText: "Map" }).click();
    await sees(page, "#map tbody tr", "bob");
    await sees(page, "#map tbody tr", "direct");
    await page.locator("#map tbody tr", { hasText: "carol" }).filter({ hasText: "two links away, relay" }).waitFor();
    assert.equal(await page.locator("#picture .node").count(), 3);
    await bob.killed();
    // He has said nothing, so it takes the time-out of a connection, hers and that of carol, whom she asks for him.
    const row = page.locator("#map tbody tr").filter({ has: page.locator("th", { hasText: "bob" }) });
    await row.filter({ hasText: "away" }).waitFor();
    await carol.quits();
    await page.locator("#map tbody tr", { hasText: "carol" }).filter({ hasText: "away" }).waitFor();
    await page.locator("#picture .node.away").first().waitFor();
  },

  async cut(bed) {
    const cable = await bed.machine();
    const [alice, bob] = [await bed.start("alice"), await bed.startOn(cable, "bob")];
    await bed.befriend(alice, bob);
    const page = await bed.page(alice);
    await opens(page, "bob");
    await bob.asks(`\\chat ${alice.ready.id}`);
    await says(page, "before the cut");
    assert.equal((await bob.event("message")).text, "before the cut");
    await page.locator("nav button", { hasText: "Map" }).click();
    const row = page.locator("#map tbody tr").filter({ has: page.locator("th", { hasText: "bob" }) });
    await row.filter({ hasText: "direct" }).waitFor();
    assert.equal(await page.locator("#picture .edge.away, #picture .node.away").count(), 0);
    cable.plugs("down");
    await row.filter({ hasText: "away" }).waitFor();
    assert.deepEqual(
      [await page.locator("#picture .edge.away").count(), await page.locator("#picture .node.away").count()], [1, 1]);
    await opens(page, "bob");
    await sees(page, "#presence", "away");
    await says(page, "into the cut cable");
    await sees(page, ".message.own .state", "waits");
    // Bob has heard nothing of it, so that his line gets the same number.
    await bob.asks("from behind it");
    cable.plugs("up");
    assert.equal((await bob.event("message")).text, "into the cut cable");
    await sees(page, ".message:not(.own) .body", "from behind it");
    const { messages } = await alice.asks("\\history bob");
    assert.equal(messages.at(-1).order, messages.at(-2).order);
    await page.waitForFunction((texts) => {
      const shown = [...document.querySelectorAll("#timeline .message .body")].map((body) => body.lastChild.textContent);
      return JSON.stringify(shown) === texts;
    }, JSON.stringify(messages.map(({ text }) => text)));
    await page.waitForFunction(() =>
      [...document.querySelectorAll(".message.own .state")].every((state) => state.textContent.startsWith("delivered")));
    await sees(page, "#presence", "direct");
    await page.locator("nav button", { hasText: "Map" }).click();
    await row.filter({ hasText: "direct" }).waitFor();
    assert.equal(await page.locator("#picture .edge.away").count(), 0);
  },

  async late(bed) {
    const [alice, bob] = [await bed.start("alice", "--accept", "ask"), await bed.start("bob")];
    const carol = await bed.start("carol");
    await bed.befriend(alice, carol);
    const page = await bed.page(alice);
    await opens(page, "carol");
    for (const text of ["one", "two", "three"]) await says(page, text);
    // Bob's line is the first that he writes, and is held back until he is answered.
    await bob.asks(`\\ping ${(await alice.place()).replace(":", " ")}`);
    await bob.asks(`\\chat ${alice.ready.id}`);
    await bob.asks("let me in");
    await alice.holdsBack(1);
    // To open the conversation on the page would let it in at once, perhaps before the answer is stored.
    alice.commands("send", "bob", "who are you?");
    await opens(page, "bob");
    await sees(page, ".message.own .body", "who are you?");
    await sees(page, ".message:not(.own) .body", "let me in");
    const rows = () => page.locator("#timeline .message .body").allTextContents();
    assert.deepEqual(await rows(), ["boblet me in", "youwho are you?"], "it stands where it was written");
    await sees(page, ".message .late", "late");
    assert.deepEqual(await page.locator(".message:has(.late) .body").allTextContents(), ["boblet me in"]);
    await bob.asks("your neighbour");
    await sees(page, ".message:not(.own) .body", "your neighbour");
    const shown = await rows();
    assert.deepEqual(shown, ["boblet me in", "youwho are you?", "bobyour neighbour"]);
    assert.equal(await page.locator(".late").count(), 1, "only what is out of order is late");
    await page.reload();
    await opens(page, "bob");
    await sees(page, ".message .body", "your neighbour");
    assert.deepEqual(await rows(), shown, "the same order as from the store");
    assert.equal(await page.locator(".late").count(), 1, "the store knows it, too");
  },

  async notifications(bed) {
    const { alice, bob, page } = await couple(bed);
    const context = page.context();
    await context.grantPermissions(["notifications"], { origin: new URL(page.url()).origin });
    await context.addInitScript(() => {
      const Real = window.Notification;
      window.noted = [];
      window.Notification = class extends Real {
        constructor(title, options) {
          super(title, options);
          window.noted.push({ title, ...options });
        }
      };
    });
    await page.reload();
    await opens(page, "bob");
    const noted = () => page.evaluate(() => window.noted);
    const arrives = async (text) => {
      await bob.asks(text);
      await page.locator("#timeline .message .body", { hasText: text }).waitFor({ state: "attached" });
    };
    await arrives("while it is looked at");
    assert.deepEqual(await noted(), []);
    await hides(page, true);
    await arrives("the secret");
    assert.deepEqual(await noted(), [{ title: "darknode", body: "bob wrote", tag: "bob" }], "who, and nothing of the text");
    await alice.asks(`\\chat ${bob.ready.id}`);
    await alice.asks("typed at her terminal");
    await page.locator("#timeline .message.own .body", { hasText: "typed at her terminal" }).waitFor({ state: "attached" });
    assert.equal((await noted()).length, 1, "none for a line of one\u2019s own");
    const other = await bed.page(alice, context);
    await opens(other, "bob");
    await arrives("while another tab is looked at");
    assert.equal((await noted()).length, 1);
    await other.close();
    await arrives("after it was closed");
    assert.equal((await noted()).length, 2);
    await hides(page, false);
    await arrives("looked at again");
    assert.equal((await noted()).length, 2);
  },

  async tabs(bed) {
    const { alice, bob, page } = await couple(bed);
    const context = page.context();
    const bare = await context.newPage();
    await bare.goto(page.url());
    await sees(bare, "#problem", "not logged in");
    await bare.close();
    const other = await bed.page(alice, context);
    await opens(other, "bob");
    await says(page, "from the first tab");
    await sees(other, ".message.own .body", "from the first tab");
    await says(other, "from the second tab");
    await bob.event("message", { text: "from the second tab" });
    await bob.asks("to both");
    const rows = (tab) => tab.locator("#timeline .message .body").allTextContents();
    for (const tab of [page, other]) {
      await sees(tab, ".message .body", "to both");
      await tab.locator("#conversations .unread").waitFor({ state: "detached" });
      await tab.locator(".message.own .state", { hasText: "delivered" }).nth(1).waitFor();
    }
    assert.deepEqual(await rows(page), await rows(other));
    await page.locator("#text").fill("half a line");
    assert.equal(await other.locator("#text").inputValue(), "", "a draft belongs to its tab");
    await other.close();
    await bob.asks("to the one that is left");
    await sees(page, ".message .body", "to the one that is left");
    assert.equal(await page.locator("#text").inputValue(), "half a line");
  },

  async unanswered(bed) {
    const { alice, bob, page } = await couple(bed);
    await page.clock.install();
    await page.reload();
    await opens(page, "bob");
    alice.child.kill("SIGSTOP");
    await page.locator("#text").fill("is anybody there?");
    await page.locator("#text").press("Enter");
    await page.locator("nav button", { hasText: "Doctor" }).click();
    await page.locator("#examine button").click();
    await page.clock.fastForward(31_000);
    await sees(page, "#report", "The node has not answered for 30 seconds.");
    await page.locator("nav button", { hasText: "Chat" }).click();
    await sees(page, "#say-problem", "The node has not answered for 30 seconds. It may have this line or not");
    assert.equal(await page.locator("#text").inputValue(), "is anybody there?", "what was typed is not lost");
    alice.child.kill("SIGCONT");
    await says(page, "there it is");
    await bob.event("message", { text: "there it is" });
  },

  async mail(bed) {
    const { alice, bob, page } = await couple(bed);
    const pi = await bed.start("pi", "--relay");
    await bed.befriend(alice, pi);
    await bed.befriend(bob, pi);
    await bob.quits();
    await says(page, "for later");
    await sees(page, ".message.own .state", "with pi");
    await page.locator(".message.own .state").click();
    await sees(page, "#held li.chosen", "with pi");
    await page.locator("nav button", { hasText: "Map" }).click();
    await page.locator("#map tbody tr", { hasText: "bob" }).filter({ hasText: "1 line waits" }).waitFor();
    await page.locator("#map tbody tr", { hasText: "pi" }).filter({ hasText: "1 line of mine carried" }).waitFor();
    await page.locator("nav button", { hasText: "Who has it" }).click();
    await page.locator("#held button", { hasText: "Withdraw" }).click();
    await sees(page, "#status-note", "Nothing waits");
    await sees(page, "#conversations .last", "nothing was said yet");
    assert.equal(await page.locator("#timeline .message").count(), 0, "what was withdrawn is not shown any more");
  },

  async states(bed) {
    const { page } = await couple(bed);
    const words = (...states) => page.evaluate(async (states) => {
      const chat = await import("/chat.js");
      const message = states.join();
      chat.onStatus([{ message, sessions: states.map((state, n) => ({ session: `${n}`, state, by: null, carriers: [] })) }], () => null);
      return chat.words(message);
    }, states);
    assert.equal(await words(), "waits", "no session is known to which it could be sent");
    assert.equal(await words("queued", "queued"), "waits");
    assert.equal(await words("delivered", "queued"), "delivered 1 of 2");
    assert.equal(await words("settled", "settled"), null, "it does not wait here, and nobody is known to have it");
    assert.equal(await words("delivered", "settled"), "delivered", "the other session is not waited for");
    assert.equal(await words("delivered", "queued", "settled"), "delivered 1 of 2");
  },

  async sessions(bed) {
    const { alice, bob, page } = await couple(bed);
    await says(page, "from before");
    await sees(page, ".message.own .state", "delivered");
    const pi = await bed.link(alice, "pi");
    await pi.event("message", { text: "from before" });
    const { sessions } = await alice.asks("\\sessions");
    const { label } = sessions.find((session) => !session.this);
    await bob.quits();
    await says(page, "for later");
    await sees(page, ".message.own .state", `with ${label}`);
    await page.locator(".message.own .state").last().click();
    await sees(page, "#held li.chosen", `with ${label}`);
    const other = await bed.page(pi);
    await opens(other, "bob");
    await sees(other, ".message.own .body", "for later");
    const states = await other.locator(".message.own .state").allTextContents();
    assert.ok(states.every((state) => !state.startsWith("waits")), `the pi sends none of these: ${states}`);
  },

  async markup(bed) {
    const { bob, page } = await couple(bed);
    const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    await bob.asks(evil);
    await sees(page, ".message .body", evil);
    await page.locator("nav button", { hasText: "Chat" }).click();
    await sees(page, "#conversations .last", "<img src=x");
    await page.locator("#query").fill("onerror");
    await page.locator("#query").press("Enter");
    await sees(page, "#found .body", evil);
    assert.equal(await page.locator("img, #timeline script").count(), 0);
    assert.notEqual(await page.title(), "owned");
    // Even markup that the page would make itself is refused.
    const refused = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>no</b>";
        return false;
      } catch {
        return true;
      }
    });
    assert.ok(refused, "Trusted Types are required");
    bed.complaints = bed.complaints.filter((text) => !/TrustedHTML|Trusted Type/i.test(text));
  },

  async foreign(bed) {
    const alice = await bed.start("alice");
    const own = new URL(alice.link());
    const other = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<p>another site"));
    await new Promise((done) => other.listen(0, "127.0.0.1", done));
    const browser = await bed.browser();
    const page = browser.pages()[0];
    await page.goto(`http://localhost:${other.address().port}/`);
    const tried = await page.evaluate(async (origin) => {
      const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
      const all = [["/"], ["/login", post], ["/api", post], ["/api/events"], ["/login", { ...post, mode: "no-cors" }]];
      const seen = [];
      for (const [path, init] of all) seen.push(await fetch(origin + path, init).then((answer) => answer.type, () => "refused"));
      return seen;
    }, own.origin);
    assert.deepEqual(tried.slice(0, 4), ["refused", "refused", "refused", "refused"]);
    // An answer that cannot be read, to a request that was refused: the code is good still.
    await page.goto(own.href);
    await sees(page, "#summary", "here");
    other.close();
  },

  async rebound(bed) {
    const alice = await bed.start("alice");
    const link = new URL(alice.link());
    const browser = await bed.browser({ args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--host-resolver-rules=MAP evil.example 127.0.0.1",
    ] });
    const page = browser.pages()[0];
    const answer = await page.goto(`http://evil.example:${link.port}/${link.hash}`);
    assert.equal(answer.status(), 403);
    const login = await page.evaluate(async (code) => {
      const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }) };
      return (await fetch("/login", post)).status;
    }, link.hash.slice(1));
    assert.equal(login, 403);
  },

  async codes(bed) {
    const alice = await bed.start("alice");
    const link = alice.link();
    const [thief, owner] = [await bed.browser(), await bed.browser()];
    await thief.pages()[0].goto(link);
    await sees(thief.pages()[0], "#summary", "here");
    const page = owner.pages()[0];
    await page.goto(link);
    await sees(page, "#problem h2", "This link was used or is too old");
    await sees(page, "#problem code", "darknode web");
    assert.ok(await page.locator("#panes").isHidden(), "there is nothing else to see");
    assert.deepEqual(await checked(page), []);
    assert.equal(await page.evaluate(() => fetch("/api/events").then((answer) => answer.status)), 401);
    await page.goto("about:blank");
    await page.goto(alice.link());
    await sees(page, "#summary", "here");
  },

  async browsers(bed) {
    const { alice, bob, page } = await couple(bed);
    const carol = await bed.start("carol");
    await bed.befriend(alice, carol);
    await carol.asks(`\\chat ${alice.ready.id}`);
    const other = await bed.page(alice);
    await opens(other, "bob");
    await carol.asks("one");
    await carol.asks("two");
    for (const one of [page, other]) await sees(one, "#conversations button:has-text('carol') .unread", "2");
    assert.deepEqual([await page.title(), await other.title()], ["(2) darknode", "(2) darknode"]);
    await page.bringToFront();
    await opens(page, "carol");
    await sees(page, "#timeline .mark", "new");
    for (const one of [page, other]) await one.locator("#conversations .unread").waitFor({ state: "detached" });
    await bob.asks("to both");
    for (const one of [page, other]) await sees(one, "#conversations .last", "to both");
    const listed = await Promise.all([page, other].map((one) => one.locator("#conversations .name").allTextContents()));
    assert.deepEqual(listed[0], listed[1]);
  },

  async history(bed) {
    const { bob, page } = await couple(bed);
    for (let n = 1; n <= 160; n += 1) await bob.asks(`line ${n}`);
    await sees(page, ".message .body", "line 160");
    await page.reload();
    await opens(page, "bob");
    await sees(page, ".message .body", "line 160");
    const first = () => page.locator(".message .body").first().textContent();
    for (let oldest = await first(); !oldest.endsWith("line 1"); oldest = await first()) {
      await page.locator("#scroll").evaluate((box) => (box.scrollTop = 0));
      await page.waitForFunction((before) => document.querySelector(".message .body").textContent !== before, oldest);
    }
    const texts = await page.locator(".message .body").allTextContents();
    const numbers = texts.map((text) => Number(text.split("line ")[1]));
    assert.deepEqual(numbers, numbers.map((_, n) => n + numbers[0]), "in order, without gaps");
    assert.deepEqual([numbers[0], numbers.length], [1, 160]);
  },

  async requests(bed) {
    const [alice, bob] = [await bed.start("alice", "--accept", "ask"), await bed.start("bob")];
    const page = await bed.page(alice);
    await bob.asks(`\\ping ${(await alice.place()).replace(":", " ")}`);
    await bob.asks(`\\chat ${alice.ready.id}`);
    await bob.asks("let me in");
    await sees(page, "#requests li", "bob");
    await page.locator("#requests button", { hasText: "Accept" }).click();
    await page.locator("#requests").waitFor({ state: "hidden" });
    await opens(page, "bob");
    await sees(page, ".message .body", "let me in");
    // Where strangers are accepted by themselves, an answer is all that they want.
    const carol = await bed.start("carol");
    const hers = await bed.page(carol);
    await bob.asks(`\\ping ${(await carol.place()).replace(":", " ")}`);
    await bob.asks(`\\chat ${carol.ready.id}`);
    await bob.asks("and me");
    await sees(hers, "#requests li", "bob is new to you");
    await opens(hers, "bob");
    await says(hers, "come in");
    await hers.locator("#requests").waitFor({ state: "hidden" });
  },

  async doctor(bed) {
    const { alice, page } = await couple(bed);
    await page.locator("nav button", { hasText: "Doctor" }).click();
    await page.locator("#patient").fill("bob");
    await page.locator("#patient").press("Enter");
    await sees(page, "#report", "Verdict");
    await sees(page, "#report tbody tr", "neighbours");
    await alice.asks("\\block bob");
    await page.locator("#text").evaluate((field) => (field.value = "hello"));
    await page.locator("#say").evaluate((form) => form.requestSubmit());
    await page.locator("#say-problem", { hasText: /^Not sent: you blocked bob$/ }).waitFor({ state: "attached" });
    await page.locator("#patient").press("Enter");
    await sees(page, "#report", "you block bob");
    assert.ok(!(await page.locator("#report").textContent()).includes("\\"), "a page has no macros");
    assert.deepEqual(await checked(page), []);
    await page.locator("#to-do button", { hasText: "Link with bob" }).click();
    await sees(page, "#report", "bob is connected");
    await page.locator("#patient").fill("carol");
    await page.locator("#patient").press("Enter");
    await sees(page, "#to-do", "Ask carol for their address: it is on the page there under Me");
    await page.locator("#to-do button").click();
    assert.equal(await page.evaluate(() => document.activeElement.id), "whom");
  },

  async me(bed) {
    const { alice, page } = await couple(bed);
    await page.locator("nav button", { hasText: "Me" }).click();
    const { words, address } = await alice.asks("\\me");
    await sees(page, "#profile", words);
    await sees(page, "#profile", address);
    assert.ok((await page.locator("#qr path").getAttribute("d")).length > 1000);
    await page.locator("#code").fill("no such code");
    await page.locator("#code").press("Enter");
    await sees(page, "#link-said", "is not one of the words");
    assert.ok(!(await page.locator("#link-said").textContent()).includes("\\link"), "a page has no macros");
  },

  async keyboard(bed) {
    const { page } = await couple(bed);
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Alt+1");
    await page.locator("#text:focus").waitFor();
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Tab");
    const first = await page.evaluate(() => document.querySelector(":focus")?.textContent ?? "");
    assert.ok(first.length > 0, "something has the focus");
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "text");
  },

  async narrow(bed) {
    const { page } = await couple(bed);
    await page.setViewportSize({ width: 380, height: 700 });
    await page.locator(".back:visible").click();
    assert.ok(await page.locator("#conversations").isVisible());
    assert.ok(await page.locator("#text").isHidden());
    await opens(page, "bob");
    assert.ok(await page.locator("#conversations").isHidden());
    await says(page, "from a phone");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    for (let n = 1; n <= 30; n += 1) await says(page, `line ${n}`);
    const height = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
    assert.ok(height <= 0, `only the messages scroll, and not the page by ${height} pixels`);
    await page.locator(".back:visible").click();
    await page.setViewportSize({ width: 360, height: 300 });
    await page.locator("#whom").fill("nobody at all");
    await page.locator("#whom").press("Enter");
    await page.waitForFunction(() => {
      const { textContent, className } = document.querySelector("#start-problem");
      const { bottom } = document.querySelector("#start-problem").getBoundingClientRect();
      return textContent !== "" && className === "" && bottom <= innerHeight + 1;
    });
  },

  async axe(bed) {
    const { alice, bob, page } = await couple(bed);
    await says(page, "hello");
    await bob.asks("hello yourself");
    await sees(page, ".message:not(.own) .body", "hello yourself");
    const dora = await bed.start("dora", "--relay");
    await bed.befriend(alice, dora);
    const found = [];
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1200, 380]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize({ width, height: 800 });
        for (const view of ["Chat", "Map", "Who has it", "Doctor", "Me"]) {
          await page.locator("nav button", { hasText: view }).click();
          if (view === "Map") await sees(page, "#map tbody tr", "bob");
          if (view === "Me") await page.locator("#qr").waitFor();
          found.push(...(await checked(page)).map((what) => `${view}, ${colorScheme}, ${width}: ${what}`));
        }
      }
    }
    assert.deepEqual(found, []);
  },
};

const flow = flows[process.argv[2]];
if (flow === undefined) {
  console.log(Object.keys(flows).join("\n"));
} else {
  const bed = new TestBed();
  try {
    await flow(bed);
  } finally {
    await bed.close();
  }
}
