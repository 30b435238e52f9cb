// The demo from its start to the revert: each number on the page is the one in the status.

import assert from "node:assert/strict";
import { focused, inBrowser, opened, shown, sound, tabTo, until, usable } from "./page.mjs";

const [link, api] = process.argv.slice(2);
const rollouts = `${api}/apis/tidegate.dev/v1alpha1/namespaces/default/rollouts`;

// Every version of the Rollouts, as the API server tells it.
const versions = new Map();

async function watch(stop) {
  const known = await (await fetch(rollouts)).json();
  known.items.forEach((item) => versions.set(`${item.metadata.name}/${item.metadata.resourceVersion}`, item));
  const answer = await fetch(`${rollouts}?watch=1&resourceVersion=${known.metadata.resourceVersion}`, { signal: stop });
  let rest = "";
  for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    for (const { object } of lines.filter(Boolean).map((line) => JSON.parse(line))) {
      versions.set(`${object.metadata.name}/${object.metadata.resourceVersion}`, object);
    }
  }
}

// All that is shown of the Rollout that is open, at one moment.
const read = (page) => page.evaluate(() => {
  const whole = document.querySelector(".sections");
  const visible = [...document.querySelectorAll("[data-field]")].filter((it) => !it.closest("[hidden]"));
  return whole && { version: whole.dataset.version, fields: visible.map((it) => [it.dataset.field, it.textContent]) };
});

function inStatus(status, field) {
  const [first, second, third] = field.split(".");
  if (first === "checks") return status.checks.find((it) => it.name === second)[third];
  if (first === "gates") return status.gates.find((it) => it.name === second)[third];
  return second === undefined ? status[first] : status[first][second];
}

// Follows a Rollout until it is in `phase`; answers with what was compared.
async function follow(page, name, phase, at = {}) {
  const seen = { versions: new Set(), stages: new Set(), phases: new Set(), numbers: 0 };
  await until(`${name} is ${phase}`, async () => {
    const { version, fields } = await read(page);
    if (!version || seen.versions.has(version)) return seen.phases.has(phase);
    const object = await until(`version ${version}`, () => versions.get(`${name}/${version}`));
    for (const [field, text] of fields) {
      assert.equal(text, String(inStatus(object.status, field) ?? ""), `${field} of ${name} in version ${version}`);
    }
    seen.versions.add(version);
    seen.numbers += fields.length;
    seen.phases.add(object.status.phase);
    const stage = object.status.stage?.name;
    if (stage && !seen.stages.has(stage)) {
      seen.stages.add(stage);
      await at[stage]?.();
    }
    return seen.phases.has(phase);
  }, 180_000);
  return seen;
}

// Each pod of the application is there by its name, and no other.
async function namesPods(page, application) {
  const there = async () => (await (await fetch(`${api}/api/v1/namespaces/default/pods`)).json()).items
    .map((it) => it.metadata.name).filter((name) => name.startsWith(`${application}-`));
  const told = () => page.locator("[aria-label='Pods by name, table'] tbody th").allTextContents();
  await until("each pod by its name", async () => {
    const [wanted, found] = (await Promise.all([there(), told()])).map((names) => names.sort().join());
    return wanted !== "" && wanted === found;
  });
}

async function firstPaint(page) {
  const paint = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  return until("the first paint", () => page.evaluate(paint));
}

async function byKeyboard(page) {
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "main");
  await tabTo(page, /^filter-text$/);
  await page.keyboard.type("search");
  await until("one row", async () => (await page.locator(".rollouts li").count()) === 1);
  await tabTo(page, /^search$/);
  await page.keyboard.press("Enter");
  await until("the Rollout", async () => (await page.locator(".sections[data-version]").count()) === 1);
  assert.match(await focused(page), /^search/);
}

// Pauses and resumes it, as the page asks and the cluster has it.
async function actsByKeyboard(page) {
  await page.evaluate(() => { location.hash = "#/default/checkout"; });
  for (const [verb, wanted] of [["Pause", true], ["Resume", false]]) {
    await until(verb, async () => (await page.locator(`button:text-is("${verb}")`).count()) === 1);
    await tabTo(page, new RegExp(`^${verb}$`));
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await until("no question", async () => (await page.locator("dialog").count()) === 0);
    assert.equal(await focused(page), verb);
    await page.keyboard.press("Enter");
    await tabTo(page, new RegExp(`^${verb}$`));
    await page.keyboard.press("Enter");
    await until(`paused is ${wanted}`, async () => Boolean((await (await fetch(`${rollouts}/checkout`)).json()).spec.paused) === wanted);
  }
}

async function strangersSeeNothing(browser) {
  const origin = new URL(link).origin;
  const page = await opened(browser, `${origin}/#/default/search`);
  await page.waitForSelector("#token");
  const text = await page.evaluate(() => document.body.textContent);
  assert.ok(!/Progressing|Reverted|v2/.test(text), text);
  await usable(page, "for strangers");
  for (const path of ["api/rollouts", "api/rollouts/default/search", "api/rollouts/default/search/pods", "api/events", "api/me"]) {
    assert.equal((await fetch(`${origin}/${path}`)).status, 401, path);
    assert.equal((await fetch(`${origin}/${path}`, { headers: { authorization: "Bearer wrong" } })).status, 401, path);
  }
  await page.context().close();
}

await inBrowser(async (browser) => {
  const stop = new AbortController();
  watch(stop.signal).catch(() => {});
  const paints = [];
  for (let tries = 0; tries < 3; tries += 1) {
    const page = await opened(browser, link);
    paints.push(await firstPaint(page));
    await page.context().close();
  }
  // Less than a fifth of a second where nothing else runs; this is about pages that never come.
  assert.ok(Math.min(...paints) <= 5_000, `first paint after ${paints}`);

  const page = await opened(browser, link);
  assert.ok(!page.url().includes("token"), page.url());
  await until("both Rollouts", async () => (await page.locator(".rollouts li").count()) === 2);
  await byKeyboard(page);
  const copied = page.url();
  const seen = await follow(page, "search", "Reverted", {
    quarter: async () => {
      await namesPods(page, "search");
      await shown(page, "rollout");
    },
  });
  console.log(`compared ${seen.numbers} values in ${seen.versions.size} versions; first paint ${Math.min(...paints)} ms`);
  assert.ok(["canary", "quarter"].every((stage) => seen.stages.has(stage)), [...seen.stages].join());
  assert.ok(seen.versions.size >= 8 && seen.numbers >= 150, `${seen.versions.size} versions`);
  await usable(page, "the revert");

  // What is copied from the address bar opens the same in another tab, and nothing for anybody else.
  const other = await page.context().newPage();
  await other.goto(copied);
  await until("the same Rollout", async () => (await read(other))?.fields.some(([, text]) => text === "Reverted"));
  await other.close();
  await strangersSeeNothing(browser);

  await page.evaluate(() => { location.hash = "#/default/checkout"; });
  await page.waitForSelector("h1:has-text('checkout')");
  await follow(page, "checkout", "Stable");
  await actsByKeyboard(page);
  await page.evaluate(() => { location.hash = "#/"; });
  await until("the list", async () => (await page.locator(".rollouts li").count()) === 2);
  await shown(page, "list");
  sound(page);
  stop.abort();
});
