// Makes the pictures of the page in docs/pictures from running nodes:
// `DARKNODE_TEST_PROGRAM=$PWD/target/release/darknode node tests/web/browser/pictures.mjs`.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TestBed } from "./bed.mjs";

const FOLDER = fileURLToPath(new URL("../../../docs/pictures/", import.meta.url));

const sees = (page, where, text) => page.locator(where, { hasText: text }).first().waitFor();

async function opens(page, who) {
  await page.locator("#conversations button").filter({ has: page.locator(".name", { hasText: who }) }).click();
  await sees(page, "#who", who);
}

async function says(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
  await sees(page, ".message.own .body", text);
}

const bed = new TestBed();
try {
  const names = [["alice"], ["bob"], ["pi", "--relay"], ["carol"], ["dora"]];
  const nodes = {};
  for (const [name, ...more] of names) nodes[name] = await bed.start(name, ...more);
  const { alice, bob, pi, carol, dora } = nodes;
  for (const [one, other] of [[alice, bob], [alice, pi], [alice, dora], [bob, carol], [bob, pi], [dora, pi]]) await bed.befriend(one, other);
  for (const node of [bob, dora]) await node.asks(`\\chat ${alice.ready.id}`);
  const page = await bed.page(alice);
  await page.setViewportSize({ width: 960, height: 560 });
  await dora.asks("alice, are you there?");
  await opens(page, "dora");
  await sees(page, ".message .body", "are you there");
  await says(page, "yes. who brings the cable?");
  await dora.event("message");
  await dora.asks("I do, the long one.\nis six o\u2019clock all right?");
  await sees(page, ".message .body", "the long one");
  await sees(page, ".message.own .state", "delivered");
  await dora.quits();
  await sees(page, "#conversations .quiet", "away");
  await says(page, "six is fine. see you there");
  await sees(page, ".message.own .state", "with pi");
  await bob.asks("is the generator still off?");
  await sees(page, "#conversations .unread", "1");
  await sees(page, "#conversations .last", "see you there");
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({ path: `${FOLDER}page.png` });
  await page.setViewportSize({ width: 960, height: 640 });
  await page.locator("nav button", { hasText: "Map" }).click();
  await page.locator("#map tbody tr", { hasText: "pi" }).filter({ hasText: "carried" }).waitFor();
  await page.screenshot({ path: `${FOLDER}map.png` });
} finally {
  await bed.close();
}
