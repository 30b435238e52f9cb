// Symbols and words for states: nothing is told by colour alone.

import { el, text } from "./dom.js";

const PHASES = {
  Pending: ["○", "idle", "something is missing or does not fit"],
  Adopting: ["⇢", "busy", "the Deployment's pods are being taken over"],
  Stable: ["✓", "good", "one version serves"],
  Progressing: ["▶", "busy", "a new version is on its way"],
  Held: ["‖", "warn", "it stays where it is until somebody acts"],
  Promoting: ["⇧", "good", "the new version passed"],
  Reverting: ["↩", "bad", "traffic goes back to the stable version"],
  Reverted: ["↩", "bad", "the new version failed, the stable one serves"],
  HandingBack: ["⇠", "idle", "the Deployment gets its pods back"],
};

const VERDICTS = {
  Pass: ["✓", "good", "passes"],
  Fail: ["✗", "bad", "fails"],
  NeedMoreData: ["…", "busy", "needs more data"],
  NoData: ["∅", "warn", "has no data"],
};

const GATES = {
  Waiting: ["…", "busy", "waits"],
  TimedOut: ["⧖", "warn", "timed out"],
  Passed: ["✓", "good", "passed"],
  Stopped: ["✗", "bad", "said no"],
};

export const PHASE_NAMES = Object.keys(PHASES);
export const UNDER_WAY = ["Progressing", "Held", "Promoting", "Reverting"];

function badge(known, word, name, shown) {
  const [symbol, tone, title] = known[word] ?? ["?", "idle", "a state that this version of the dashboard does not know"];
  const mark = el("span", { "aria-hidden": "true", class: "symbol" }, symbol);
  return el("span", { class: `badge ${tone}`, title }, mark, " ", el("span", { "data-field": name }, shown));
}

export const phase = (word, name = "phase") => {
  const shown = text(word) || "no status yet";
  return badge(word ? PHASES : { [shown]: ["○", "idle", "the operator has not looked at it yet"] }, shown, name, shown);
};

export const verdict = (word, name) => badge(VERDICTS, text(word), name, text(word));

export const gate = (word, name) => badge(GATES, text(word), name, text(word));

// A check in the list: its symbol, with its name and words for whoever does not see it.
export function mark(check) {
  const [symbol, tone, title] = VERDICTS[check.verdict] ?? ["?", "idle", text(check.verdict)];
  return el("span", { class: `check ${tone}`, title: `${text(check.name)} ${title}` },
    el("span", { "aria-hidden": "true" }, symbol), ` ${text(check.name)}`, el("span", { class: "unseen" }, ` ${title}`));
}

export const image = (name) => text(name).split("/").at(-1).replace(/(@sha256:.{12}).*/, "$1");

export const version = (revision) => {
  const first = Array.isArray(revision?.images) ? revision.images[0] : undefined;
  return first ? `${text(revision.revision)} (${image(first)})` : text(revision?.revision);
};

// How far the cluster's time is ahead of this machine's, in milliseconds.
let ahead = 0;

export function clock(now) {
  const at = Date.parse(now);
  if (Number.isFinite(at)) ahead = at - Date.now();
}

export const now = () => Date.now() + ahead;

export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const from = parts.findIndex(([length]) => seconds >= length);
  if (from < 0) return "0s";
  let rest = seconds;
  const told = parts.slice(from, from + 2).map(([length, unit]) => {
    const count = Math.floor(rest / length);
    rest -= count * length;
    return count ? `${count}${unit}` : "";
  });
  return told.join("");
}

function ago(at) {
  const since = now() - at;
  return since < 0 ? `in ${span(-since)}` : `${span(since)} ago`;
}

// An instant, told by how long ago it is; its title says when that is here.
export function time(at, name) {
  const instant = Date.parse(at);
  if (!Number.isFinite(instant)) return text(at);
  return el("time", { datetime: at, title: new Date(instant).toLocaleString(), "data-field": name }, ago(instant));
}

export function refreshTimes() {
  for (const shown of document.querySelectorAll("time")) {
    const told = ago(Date.parse(shown.dateTime));
    if (shown.textContent !== told) shown.textContent = told;
  }
}
