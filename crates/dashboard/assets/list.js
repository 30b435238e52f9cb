// All Rollouts, with filters. What is filtered by stands in the address, so that it can be pasted into a chat.

import { address, el, list as many, put, svg, text } from "./dom.js";
import { PHASE_NAMES, UNDER_WAY, image, mark, phase, time } from "./words.js";

// So many are shown; who looks for one among more has a filter.
const MOST = 200;

const of = (params) => ({ q: params.get("q") ?? "", phase: params.get("phase") ?? "", ns: params.get("ns") ?? "" });

const href = (key) => `#/${address(key)}`;

const percent = (value) => {
  const number = Number.parseFloat(text(value));
  return Number.isFinite(number) ? Math.min(100, Math.max(0, number)) : 0;
};

export function bar(value, asked) {
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "ground", x: 0, y: 0, width: 100, height: 8 }),
    asked !== undefined && svg("rect", { class: "asked", x: 0, y: 0, width: percent(asked), height: 8 }),
    svg("rect", { class: "filled", x: 0, y: 0, width: percent(value), height: 8 }));
}

function fits(row, { q, phase: wanted, ns }) {
  if (ns && row.namespace !== ns) return false;
  if (wanted === "under-way" ? !UNDER_WAY.includes(row.phase) : wanted && row.phase !== wanted) return false;
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [row.namespace, row.name, row.phase, row.message, ...many(row.canary), ...many(row.stable)];
  const where = all.map(text).join(" ").toLowerCase();
  return words.every((word) => where.includes(word));
}

function stage(row) {
  if (!row.stage) return null;
  const { name, index, of: count, weight, inForce } = row.stage;
  return [
    el("span", { class: "stage" }, `${text(name)} ${text(index)}/${text(count)}`),
    bar(inForce, weight),
    el("span", { class: "weight", title: `asked: ${text(weight)}` }, text(inForce)),
  ];
}

function item(row) {
  const from = many(row.stable)[0];
  const to = many(row.canary)[0];
  const version = to && to !== from ? `${image(from)} → ${image(to)}` : image(from);
  return [
    el("div", { class: "name" },
      el("a", { href: href(row.key) }, text(row.name)),
      el("span", { class: "faint" }, ` ${text(row.namespace)}`)),
    el("div", { class: "state" }, phase(row.phase), row.paused && el("span", { class: "badge warn" }, "‖ paused"),
      row.waiting && el("span", { class: "badge busy" }, `${row.waiting} waiting for a yes`)),
    el("div", { class: "way" }, stage(row)),
    el("div", { class: "checks" }, many(row.checks).map(mark)),
    el("p", { class: "message" }, version && el("span", { class: "faint" }, `${version} · `), text(row.message),
      row.since && el("span", { class: "faint" }, " · ", time(row.since))),
  ];
}

function select(id, label, options, value, onchange) {
  const chosen = (key) => (key === value ? { value: key, selected: true } : { value: key });
  return el("div", { class: "filter" }, el("label", { for: id }, label),
    el("select", { id, onchange }, options.map(([key, shown]) => el("option", chosen(key), shown))));
}

export class List {
  constructor(main) {
    this.items = new Map();
    this.filters = el("form", { class: "filters", role: "search", "aria-label": "Rollouts", onsubmit: (event) => event.preventDefault() });
    this.text = el("input", { id: "filter-text", type: "search", autocomplete: "off", spellcheck: "false", oninput: () => this.set("q", this.text.value) });
    this.selects = el("div", { class: "selects" });
    this.filters.append(el("div", { class: "filter wide" }, el("label", { for: "filter-text" }, "Name, image or message"), this.text), this.selects);
    this.count = el("p", { class: "faint", id: "count", role: "status" });
    this.list = el("ul", { class: "rollouts", "aria-label": "Rollouts" });
    main.replaceChildren(el("h1", { tabindex: "-1" }, "Rollouts"), this.filters, this.count, this.list);
  }

  set(name, value) {
    const params = new URLSearchParams(location.hash.split("?")[1] ?? "");
    if (value) params.set(name, value);
    else params.delete(name);
    const query = params.toString();
    history.replaceState(null, "", query ? `#/?${query}` : "#/");
    this.show(this.rows, this.isComplete, params);
  }

  show(rows, isComplete, params) {
    this.rows = rows;
    this.isComplete = isComplete;
    const wanted = of(params);
    if (document.activeElement !== this.text) this.text.value = wanted.q;
    const namespaces = [...new Set([...rows.values()].map((row) => text(row.namespace)))].sort();
    if (wanted.ns && !namespaces.includes(wanted.ns)) namespaces.push(wanted.ns);
    if (!this.selects.contains(document.activeElement)) {
      put(this.selects, [namespaces, wanted], () => [
        select("filter-phase", "Phase", [["", "all"], ["under-way", "under way"], ...PHASE_NAMES.map((it) => [it, it])], wanted.phase,
          (event) => this.set("phase", event.target.value)),
        select("filter-namespace", "Namespace", [["", "all"], ...namespaces.map((it) => [it, it])], wanted.ns,
          (event) => this.set("ns", event.target.value)),
      ]);
    }
    const fitting = [...rows.values()].filter((row) => fits(row, wanted)).sort((a, b) => (a.key < b.key ? -1 : 1));
    this.tell(fitting, rows.size, isComplete);
    this.place(fitting.slice(0, MOST));
  }

  tell(fitting, all, isComplete) {
    const under = fitting.filter((row) => UNDER_WAY.includes(row.phase)).length;
    const more = fitting.length > MOST ? `, of which the first ${MOST} are shown: filter for others` : "";
    const told = all === 0
      ? (isComplete ? "There are no Rollouts here, or none that you may see." : "Reading…")
      : `${fitting.length} of ${all} Rollouts, ${under} under way${more}`;
    if (this.count.textContent !== told) this.count.textContent = told;
  }

  // Each keeps its element for as long as it is shown.
  place(rows) {
    const shown = new Set(rows.map((row) => row.key));
    for (const [key, known] of this.items) {
      if (!shown.has(key)) {
        known.remove();
        this.items.delete(key);
      }
    }
    let before = null;
    for (const row of rows) {
      let known = this.items.get(row.key);
      if (!known) {
        known = el("li", { "data-key": row.key });
        this.items.set(row.key, known);
      }
      const held = known.contains(document.activeElement);
      if (put(known, row, () => item(row)) && held) known.querySelector("a")?.focus({ preventScroll: true });
      const place = before ? before.nextSibling : this.list.firstChild;
      if (place !== known) this.list.insertBefore(known, place);
      before = known;
    }
  }
}
