// Real nodes and a real browser for one flow. Everything is in a temporary directory and ends with the flow.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const PATIENCE = 30_000;

const PROGRAM = process.env.DARKNODE_TEST_PROGRAM;
const CHROMIUM = process.env.DARKNODE_TEST_CHROMIUM ?? "/usr/bin/chromium";
const QUIET = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

// Waits for something, and says what did not happen.
export async function within(what, promise) {
  let timer;
  const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`in vain: ${what}`)), PATIENCE)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// A running node, with its events.
class Node {
  constructor(bed, name, more, machine) {
    this.bed = bed;
    this.address = machine?.address ?? "127.0.0.1";
    this.name = name;
    this.line = 0;
    this.events = [];
    this.waiting = [];
    const begin = machine?.waits ? ["link"] : ["-u", name];
    const args = [...begin, "--data-dir", name, "--port", "0", "--no-lan", "--json", ...more];
    const [command, ...rest] = [...(machine?.enters ?? []), PROGRAM, ...args];
    this.child = spawn(command, rest, { cwd: bed.dir, env: bed.env(), stdio: ["pipe", "pipe", "inherit"] });
    this.ended = new Promise((done) => this.child.once("exit", done));
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line));
      this.waiting = this.waiting.filter((check) => !check());
    });
  }

  // The first event that fits and was not waited for before.
  wait(what, fits) {
    const take = () => {
      const place = this.events.findIndex(fits);
      return place < 0 ? null : this.events.splice(place, 1)[0];
    };
    const found = new Promise((done) => {
      const check = () => {
        const event = take();
        if (event !== null) done(event);
        return event !== null;
      };
      if (!check()) this.waiting.push(check);
    });
    return within(`${this.name}: ${what}`, found);
  }

  event(name, keys = {}) {
    const fits = (event) => event.event === name && Object.entries(keys).every(([key, value]) => event[key] === value);
    return this.wait(`${name} ${JSON.stringify(keys)}`, fits);
  }

  asks(line) {
    const number = ++this.line;
    this.child.stdin.write(`${line}\n`);
    return this.wait(`the answer to ${line}`, (event) => event.line === number);
  }

  // Waits until this many lines of somebody who asks are here, and held back.
  holdsBack(lines) {
    const held = async () => {
      while ((await this.asks("\\requests")).users[0]?.lines !== lines);
    };
    return within(`${this.name} holds back ${lines} lines`, held());
  }

  async place() {
    this.ready ??= await this.event("ready");
    return `${this.address}:${this.ready.listen[0].split(":").at(-1)}`;
  }

  // What `darknode web` says.
  web(...more) {
    return this.commands("web", ...more);
  }

  // What a command that speaks to the running node says.
  commands(command, ...more) {
    const args = [command, "--data-dir", this.name, ...more];
    return execFileSync(PROGRAM, args, { cwd: this.bed.dir, env: this.bed.env() }).toString().trim();
  }

  // A link to its page, which works once.
  link() {
    return this.web();
  }

  async quits() {
    this.child.stdin.write("\\quit\n");
    await within(`${this.name} ends`, this.ended);
  }

  async killed() {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

const ip = (...args) => execFileSync("ip", args);

// Another machine at the end of a cable: a network namespace, which ends with the flow. The flow has a namespace of its own too.
class Machine {
  constructor() {
    this.address = "10.9.0.2";
    this.child = spawn("unshare", ["--net", "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
    this.enters = ["nsenter", "--target", `${this.child.pid}`, "--net"];
  }

  async isWired() {
    await within("a namespace", new Promise((done) => this.child.stdout.once("data", done)));
    ip("link", "set", "lo", "up");
    ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", `${this.child.pid}`);
    ip("address", "add", "10.9.0.1/24", "dev", "cable");
    this.plugs("up");
    for (const args of [["link", "set", "lo", "up"], ["address", "add", `${this.address}/24`, "dev", "cable"], ["link", "set", "cable", "up"]]) {
      execFileSync(this.enters[0], [...this.enters.slice(1), "ip", ...args]);
    }
    return this;
  }

  // Plugs the cable in ("up"), or pulls it out ("down").
  plugs(state) {
    ip("link", "set", "cable", state);
  }

  ends() {
    this.child.stdin.end();
  }
}

export class TestBed {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "darknode-web-"));
    this.nodes = [];
    this.browsers = [];
  }

  env() {
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("DARKNODE_"));
    return { ...Object.fromEntries(kept), HOME: this.dir, XDG_RUNTIME_DIR: this.dir };
  }

  async start(name, ...more) {
    return this.startOn(undefined, name, ...more);
  }

  // The same, on another machine.
  async startOn(machine, name, ...more) {
    const node = new Node(this, name, more, machine);
    this.nodes.push(node);
    await node.place();
    return node;
  }

  // Another session of a user, in a directory of this name.
  async link(user, name) {
    const node = new Node(this, name, [], { address: "127.0.0.1", waits: true });
    this.nodes.push(node);
    const { token } = await node.event("code");
    await user.asks(`\\link ${token}`);
    await node.event("joined");
    return node;
  }

  async machine() {
    this.other = new Machine();
    return this.other.isWired();
  }

  // Two nodes that are linked.
  async befriend(one, other) {
    const pong = await one.asks(`\\ping ${(await other.place()).replace(":", " ")}`);
    if (pong.event !== "pong") throw new Error(JSON.stringify(pong));
    await one.asks(`\\add ${other.ready.id}`);
    await other.asks(`\\add ${one.ready.id}`);
    await one.event("linked");
    await one.event("online", { id: other.ready.id }).catch(() => null);
  }

  // A browser of its own, as another person's machine would have.
  async browser(options = {}) {
    const browser = await chromium.launchPersistentContext(mkdtempSync(join(this.dir, "browser-")), {
      executablePath: CHROMIUM, args: QUIET, viewport: { width: 1200, height: 800 }, ...options,
    });
    this.browsers.push(browser);
    browser.setDefaultTimeout(PATIENCE);
    return browser;
  }

  // A page of a node in a browser, logged in. What the page complains of fails the flow at its end.
  async page(node, browser) {
    const page = browser ? await browser.newPage() : (await this.browser()).pages()[0];
    this.complaints ??= [];
    page.on("pageerror", (error) => this.complaints.push(`${error}`));
    page.on("console", (said) => {
      const isExpected = said.text().startsWith("Failed to load resource");
      if (said.type() === "error" && !isExpected) this.complaints.push(said.text());
    });
    await page.goto(node.link());
    await page.locator("#summary", { hasText: "here" }).waitFor();
    return page;
  }

  async close() {
    for (const browser of this.browsers) await browser.close().catch(() => null);
    for (const node of this.nodes) await node.killed();
    this.other?.ends();
    rmSync(this.dir, { recursive: true, force: true });
    if (this.complaints?.length) throw new Error(`the page complains: ${this.complaints.join("; ")}`);
  }
}
