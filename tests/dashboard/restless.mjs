// Ten thousand changes in a second, of three thousand Rollouts of a cluster that comes and goes.

import assert from "node:assert/strict";
import { inBrowser, opened, sound, until } from "./page.mjs";

const [link] = process.argv.slice(2);

await inBrowser(async (browser) => {
  const page = await opened(browser, link);
  await until("all of them", async () => /^3000 of 3000/.test(await page.textContent("#count")));
  assert.ok((await page.locator(".rollouts li").count()) <= 200);
  await page.waitForSelector("#trouble:not([hidden])");
  assert.match(await page.textContent("#trouble"), /The cluster does not answer, since .* What is shown is from then/);
  // It is there for three seconds at a time: on a busy machine several such times may pass.
  await page.waitForSelector("#trouble", { state: "hidden", timeout: 120_000 });
  await page.fill("#filter-text", "app-2999");
  await until("the one", async () => (await page.locator(".rollouts li").count()) === 1);
  await page.fill("#filter-text", "app-0");
  const weight = page.locator(".rollouts li .weight");
  const before = await weight.textContent();
  await until("another weight", async () => (await weight.textContent()) !== before);
  sound(page);
});
