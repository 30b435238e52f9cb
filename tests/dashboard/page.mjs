// A page in the browser, and what is asked of every page.

import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const tools = createRequire(path.join(process.env.BROWSER_TOOLS, "package.json"));
const { chromium } = tools("playwright-core");
const axe = fs.readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1280, height: 1120 };

export async function inBrowser(work) {
  const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}

// A page of a reader of their own. Whatever goes wrong in it is wrong: what its policy forbids, too.
export async function opened(browser, address, { scheme = "light", size = DESKTOP } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: size });
  const page = await context.newPage();
  page.faults = [];
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") page.faults.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin) page.faults.push(`asks ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

export const sound = (page) => assert.deepEqual(page.faults, []);

// What keeps people out, by axe; and what does not fit beside each other.
export async function usable(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter((it) => ["serious", "critical"].includes(it.impact));
  assert.deepEqual(grave.map((it) => [it.id, it.nodes[0].html, it.nodes[0].failureSummary]), [], where);
  const [needs, has] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needs <= has, `${where} is ${needs} wide, of ${has}`);
}

export async function until(what, wanted, patience = 60_000) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await wanted();
    if (found) return found;
    assert.ok(Date.now() < end, `waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Each theme and each size once.
export async function shown(page, name) {
  const folder = process.env.SCREENSHOTS;
  fs.mkdirSync(folder, { recursive: true });
  for (const [size, viewport] of [["phone", PHONE], ["desktop", DESKTOP]]) {
    for (const scheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: scheme });
      await usable(page, `${name}, ${size}, ${scheme}`);
      await page.screenshot({ path: path.join(folder, `${name}-${size}-${scheme}.png`) });
    }
  }
  await page.setViewportSize(DESKTOP);
  await page.emulateMedia({ colorScheme: "light" });
}

// What has the focus, by what it says.
export const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

// Presses Tab until what has the focus says so.
export async function tabTo(page, wanted) {
  const passed = [];
  for (let tries = 0; tries < 60; tries += 1) {
    await page.keyboard.press("Tab");
    const found = await focused(page);
    if (wanted.test(found)) return;
    passed.push(found);
  }
  assert.fail(`no Tab leads to ${wanted}: ${passed.join(" | ")}`);
}
