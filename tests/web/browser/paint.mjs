// Prints how fast the page is: the first paint with 1,000 conversations, and its size. A figure, not a test.
// `DARKNODE_TEST_PROGRAM=$PWD/target/release/darknode node tests/web/browser/paint.mjs`

import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TestBed } from "./bed.mjs";

const ASSETS = fileURLToPath(new URL("../../../src/web/assets/", import.meta.url));
const CONVERSATIONS = 1000;
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

// An id that nobody has: 32 bytes in base32, of which the last letter holds one bit.
function id(n) {
  let text = "";
  for (let at = 0; at < 51; at += 1) text += LETTERS[(n >> (5 * (at % 4))) & 31];
  return `${text}a`;
}

const bed = new TestBed();
try {
  const alice = await bed.start("alice");
  for (let n = 0; n < CONVERSATIONS; n += 1) {
    const chat = await alice.asks(`\\chat ${id(n)}`);
    if (chat.event !== "chat") throw new Error(JSON.stringify(chat));
    await alice.asks(`line ${n}`);
  }
  const page = await bed.page(alice);
  await page.locator("#conversations li").nth(CONVERSATIONS - 1).waitFor();
  await page.reload();
  await page.locator("#conversations li").nth(CONVERSATIONS - 1).waitFor();
  const figures = await page.evaluate(() => {
    const painted = performance.getEntriesByType("paint").map(({ name, startTime }) => [name, Math.round(startTime)]);
    return { ...Object.fromEntries(painted), "all listed": Math.round(performance.now()) };
  });
  const size = readdirSync(ASSETS).reduce((sum, name) => sum + statSync(ASSETS + name).size, 0);
  console.log({ ...figures, "bytes of the page": size, conversations: await page.locator("#conversations li").count() });
} finally {
  await bed.close();
}
