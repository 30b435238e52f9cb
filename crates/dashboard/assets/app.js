// The page: which part is shown, and what happens when something is new.

import { Detail, spanSince } from "./detail.js";
import { address, el, list, split, text } from "./dom.js";
import { List } from "./list.js";
import { Refused, forgetToken, get, hasToken, listen, setToken, takeToken } from "./server.js";
import { clock, refreshTimes } from "./words.js";

const main = document.getElementById("main");
const [who, live, trouble, announce] = ["who", "live", "trouble", "announce"].map((id) => document.getElementById(id));

const rows = new Map();
let isComplete = false;
let me;
let view;
let stop = new AbortController();

const keyOf = (row) => `${text(row.namespace)}/${text(row.name)}`;

function route() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const parts = path.split("/").slice(1).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return parts.length === 2 && parts[0] && parts[1]
    ? { key: `${parts[0]}/${parts[1]}` }
    : { params: new URLSearchParams(query ?? "") };
}

// Opens what the address says. `moved` is where somebody went there: the focus goes along.
function open(moved) {
  const { key } = route();
  if (key ? view?.key !== key : !(view instanceof List)) {
    view = key ? new Detail(main, key, { done: () => fetchOpen(key) }) : new List(main);
    document.title = key ? `${split(key)[1]} · Tidegate` : "Tidegate";
    if (moved) {
      main.querySelector("h1").focus();
      scrollTo(0, 0);
    }
    if (key) fetchOpen(key);
  }
  show();
}

function show() {
  if (view instanceof List) view.show(rows, isComplete, route().params);
}

// One question at a time about the Rollout that is open, and one more where it changed meanwhile.
let asking;
let again = false;

async function fetchOpen(key) {
  if (asking === key) {
    again = true;
    return;
  }
  asking = key;
  try {
    do {
      again = false;
      const answer = await get(`api/rollouts/${address(key)}`);
      clock(answer.now);
      if (view?.key === key) view.show(answer, me);
      fetchPods(key);
    } while (again && view?.key === key);
  } catch (error) {
    if (error instanceof Refused && error.code === 401) refused(error.message);
    else if (view?.key === key) view.refuse(error instanceof Refused ? error.message : "The dashboard does not answer.");
  } finally {
    if (asking === key) asking = undefined;
  }
}

// Pods come and go without the Rollout: they are asked for while they are looked at.
let counting = false;

async function fetchPods(key) {
  // Who may look only is not shown them.
  if (counting || me?.readOnly || view?.key !== key || document.hidden) return;
  counting = true;
  try {
    const found = await get(`api/rollouts/${address(key)}/pods`);
    if (view?.key === key) view.showPods(found, me);
  } catch (error) {
    if (view?.key === key && error instanceof Refused && error.code !== 404) view.showPods({ refused: error.message }, me);
  } finally {
    counting = false;
  }
}

// What changed its phase is said aloud, not more than a few at a time.
function say(changed) {
  if (changed.length === 0) return;
  const told = changed.slice(0, 3).map((row) => `${text(row.name)}: ${text(row.phase)}`).join(", ");
  announce.textContent = changed.length > 3 ? `${told} and ${changed.length - 3} more` : told;
}

function heard(news) {
  clock(news.now);
  if (news.reset) {
    rows.clear();
    isComplete = false;
  }
  const changed = [];
  for (const row of list(news.rows)) {
    const key = keyOf(row);
    const before = rows.get(key);
    if (before && before.phase !== row.phase) changed.push(row);
    rows.set(key, { ...row, key });
    if (view?.key === key) fetchOpen(key);
  }
  for (const key of list(news.gone)) {
    rows.delete(key);
    if (view?.key === key) view.refuse("This Rollout was deleted. What is shown is how it was last seen.");
  }
  isComplete ||= Boolean(news.complete);
  say(changed);
  warn(news.trouble);
  show();
  refreshTimes();
}

function warn(found) {
  const told = found ? `${text(found.message)}, since ${spanSince(found.since)}. What is shown is from then.` : "";
  trouble.hidden = !told;
  const shown = told && told[0].toUpperCase() + told.slice(1);
  // Not said aloud again for each second that it lasts.
  if (!told || trouble.dataset.message !== found.message) trouble.textContent = shown;
  trouble.dataset.message = found?.message ?? "";
}

function told(state, message) {
  const words = { open: "Live", closed: "Not connected: trying again…", refused: "Not signed in" };
  const shown = message && state === "closed" ? `Not connected: ${message}` : words[state];
  // It is said aloud: once.
  if (live.textContent !== shown) live.textContent = shown;
  live.className = `live ${state}`;
  if (state === "open") identify();
  if (state === "refused") refused(message);
}

async function identify() {
  try {
    me = await get("api/me");
    who.textContent = me.name ? `as ${text(me.name)}` : me.mode === "laptop" ? "with your kubeconfig" : "";
    if (view?.answer) view.show(view.answer, me);
  } catch {
    // Whoever may not know is told by what they ask next.
  }
}

function refused(message) {
  if (main.querySelector("#token")) return;
  stop.abort();
  rows.clear();
  view = undefined;
  me = undefined;
  who.textContent = "";
  forgetToken();
  const input = el("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "refusal" });
  main.replaceChildren(el("h1", { tabindex: "-1" }, "Who are you?"), el("p", { id: "refusal" }, `${text(message)}.`),
    el("form", {
      class: "signin",
      onsubmit: (event) => {
        event.preventDefault();
        setToken(input.value);
        begin();
      },
    }, el("label", { for: "token" }, "Bearer token"), input, el("button", { type: "submit", class: "primary" }, "Look"),
    el("p", { class: "faint" }, "It is kept in this tab until you close it, and sent to this dashboard only.")));
  input.focus();
}

function begin() {
  stop.abort();
  stop = new AbortController();
  view = undefined;
  open(false);
  listen(heard, told, stop.signal);
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  takeToken();
  if (hasToken() && main.querySelector("#token")) begin();
  else if (!main.querySelector("#token")) open(true);
});
setInterval(refreshTimes, 5_000);
setInterval(() => view?.key && fetchPods(view.key), 5_000);
takeToken();
begin();
