// Rollouts of other versions, without a status, and with names and messages that try to be markup.

import assert from "node:assert/strict";
import { DESKTOP, PHONE, inBrowser, opened, sound, until, usable } from "./page.mjs";

const [link] = process.argv.slice(2);

await inBrowser(async (browser) => {
  for (const [scheme, size] of [["light", DESKTOP], ["dark", PHONE]]) {
    const page = await opened(browser, link, { scheme, size });
    await until("all rows", async () => (await page.locator(".rollouts li").count()) === 7);
    await usable(page, `the list, ${scheme}`);
    const keys = await page.locator(".rollouts li").evaluateAll((rows) => rows.map((row) => row.dataset.key));
    for (const key of keys) {
      await page.locator(".rollouts li", { has: page.locator("a") }).nth(keys.indexOf(key)).locator("a").click();
      await page.waitForSelector(".sections[data-version]", { state: "attached" });
      await page.locator("summary").click();
      await until(`all of ${key}`, async () => (await page.locator("pre").textContent()).includes("apiVersion"));
      await usable(page, `${key}, ${scheme}`);
      // Nothing of it became an element, or ran.
      assert.equal(await page.locator("main img, main script").count(), 0, key);
      assert.ok((await page.title()).endsWith("· Tidegate"), key);
      await page.locator("nav a").click();
      await until("all rows", async () => (await page.locator(".rollouts li").count()) === 7);
    }
    await page.selectOption("#filter-phase", "under-way");
    await until("two under way", async () => (await page.locator(".rollouts li").count()) === 2);
    await page.selectOption("#filter-phase", "");
    await page.selectOption("#filter-namespace", "bank");
    await until("three in the bank", async () => (await page.locator(".rollouts li").count()) === 3);
    assert.ok(page.url().endsWith("#/?ns=bank"), page.url());
    sound(page);
    await page.context().close();
  }
});
