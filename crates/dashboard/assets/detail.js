// One Rollout: where it is on its way, and every number that led there.

import { buttons } from "./actions.js";
import { chart, number } from "./chart.js";
import { address, el, field, list, put, split, text } from "./dom.js";
import { bar } from "./list.js";
import { gate, image, now, phase, span, time, verdict, version } from "./words.js";

const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});

function section(name, title) {
  const slot = el("div");
  const id = `section-${name}`;
  const whole = el("section", { "aria-labelledby": id, class: name, hidden: true }, el("h2", { id }, title), slot);
  return { whole, slot, put: (from, build) => {
    whole.hidden = from === undefined || from === null || (Array.isArray(from) && from.length === 0);
    if (!whole.hidden) put(slot, from, build);
  } };
}

const row = (term, ...told) => told.flat().some(Boolean) && [el("dt", {}, term), el("dd", {}, ...told)];

// The stages as a track: those behind, the one that it is in, those ahead.
function track(stages, status) {
  const at = object(status.stage);
  const known = list(stages).map(object);
  const all = known.length ? known : at.name ? [at] : [];
  const done = ["Promoting", "Stable"].includes(status.phase) ? all.length : all.findIndex((it) => it.name === at.name);
  const under = Boolean(at.name);
  return el("ol", { class: "track" }, all.map((stage, place) => {
    const here = under && stage.name === at.name;
    const passed = under ? place < done : status.phase === "Promoting";
    const [symbol, tone, word] = here ? ["▶", "here", "now"] : passed ? ["✓", "passed", "passed"] : ["○", "ahead", "ahead"];
    return el("li", { class: tone, "aria-current": here ? "step" : undefined },
      el("span", { class: "symbol", "aria-hidden": "true" }, symbol), " ",
      el("strong", { "data-field": here ? "stage.name" : undefined }, text(stage.name)),
      el("span", { class: "unseen" }, ` (${word})`), " ",
      here
        ? [el("span", { class: "faint" }, "asks for "), field("stage.weight", at.weight), bar(at.weightInForce, at.weight),
          el("span", { class: "faint" }, "in force "), field("stage.weightInForce", at.weightInForce, "strong")]
        : [el("span", { class: "faint" }, text(stage.weight)), bar(passed ? stage.weight : 0, stage.weight)]);
  }));
}

function stageFacts(stage) {
  const measured = stage.weightMeasured && [text(stage.weightMeasured), " of the requests", stage.weightRange && ` (${text(stage.weightRange)})`];
  return el("dl", {},
    row("Stage", stage.index !== undefined && [field("stage.index", stage.index), " of ", field("stage.of", stage.of)]),
    row("In force since", stage.since && time(stage.since)),
    row("Bakes until", stage.until && time(stage.until)),
    row("Measured", measured),
    row("Mirrored", text(stage.mirror)),
    row("Disturbed since", stage.disturbance && time(object(stage.disturbance).since)),
    row("Stable unwell since", stage.stableUnwellSince && time(stage.stableUnwellSince)));
}

function pods(status) {
  const one = (name, word) => {
    const it = object(status[name]);
    if (!it.revision) return null;
    return el("tr", {}, el("th", { scope: "row" }, word), el("td", {}, field(`${name}.revision`, it.revision, "code")),
      el("td", {}, list(it.images).map(image).join(", ")),
      el("td", {}, field(`${name}.ready`, it.ready ?? 0), " of ", field(`${name}.replicas`, it.replicas ?? 0), " ready"));
  };
  return table("Pods", ["", "Version", "Images", "Pods"], [one("stable", "stable"), one("canary", "new")]);
}

// By name, those that are not ready first; who may not list pods is told so.
function named(found) {
  if (!found) return null;
  if (found.refused) return el("p", { class: "faint" }, `By name: ${text(found.refused)}.`);
  const rows = list(found.pods).map(object).map((pod) => el("tr", {},
    el("th", { scope: "row" }, text(pod.name)), el("td", {}, text(pod.version)),
    el("td", {}, pod.isReady ? "✓ ready" : el("strong", {}, "✗ not ready")),
    el("td", {}, text(pod.state)), el("td", {}, text(pod.restarts)), el("td", {}, pod.since && time(pod.since))));
  return rows.length > 0 && table("Pods by name", ["Pod", "Version", "Ready", "State", "Restarts", "Created"], rows);
}

function table(label, heads, rows) {
  return el("div", { class: "scroll", role: "region", "aria-label": `${label}, table`, tabindex: "0" },
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => (head ? el("th", { scope: "col" }, head) : el("td"))))), el("tbody", {}, rows)));
}

function checks(status) {
  const rows = list(status.checks).map(object).map((check) => {
    const name = `checks.${text(check.name)}`;
    const needs = [check.moreRequests !== undefined && `${text(check.moreRequests)} more`, text(check.moreTime)].filter(Boolean).join(", ");
    return [
      el("tr", {},
        el("th", { scope: "row" }, text(check.name), check.warning && el("span", { class: "badge warn" }, "! warns")),
        el("td", {}, verdict(check.verdict, `${name}.verdict`)),
        field(`${name}.value`, check.value, "td"), field(`${name}.limit`, check.limit, "td"), field(`${name}.stable`, check.stable, "td"),
        field(`${name}.range`, check.range, "td"), field(`${name}.sample`, check.sample, "td"), el("td", {}, needs)),
      el("tr", { class: "why" }, el("td", { colspan: "8" }, field(`${name}.message`, check.message))),
    ];
  });
  return table("Checks", ["Check", "Verdict", "Value", "Limit", "Stable", "95% range", "Requests", "Needs"], rows);
}

function charts(series, status) {
  const rows = list(series?.rows).filter((it) => Array.isArray(it));
  if (rows.length === 0) return null;
  const current = object(status.canary).revision === series.revision;
  const end = current ? Math.max(now() / 1000, rows.at(-1)[0]) : rows.at(-1)[0];
  const [from, to] = [rows[0][0], Math.max(end, rows[0][0] + 1)];
  const last = (points) => (current && points.length ? [...points, [to, points.at(-1)[1]]] : points);
  const marks = list(status.begun).map((it) => Date.parse(object(it).since) / 1000).filter((at) => at >= from && at <= to);
  const weight = chart({ name: "Weight in force", points: last(rows.map(([at, value]) => [at, value])), from, to, most: 100, like: "%", steps: true, at: marks });
  const others = list(series.checks).map((name, place) => {
    const check = object(list(status.checks).map(object).find((it) => it.name === name));
    const points = rows.map(([at, , values]) => [at, list(values).length ? values[place] ?? null : null]);
    return chart({ name: text(name), points, from, to, limit: number(check.limit), like: check.limit ?? check.value, at: marks });
  });
  return el("div", { class: "charts" }, weight, others);
}

function gates(status) {
  return el("ul", { class: "plain" }, list(status.gates).map(object).map((it) => el("li", {},
    gate(it.state, `gates.${text(it.name)}.state`), " ", el("strong", {}, text(it.name)),
    el("span", { class: "faint" }, ` ${text(it.place)} · `, time(it.answeredAt ?? it.since)),
    el("p", {}, text(it.message)),
    list(it.approvals).length > 0 && el("p", { class: "faint" }, "approved by ", list(it.approvals).map((yes) => text(object(yes).by)).join(", ")))));
}

const happened = (steps) => el("ol", { class: "steps" }, steps.map(object).map((step) => el("li", {},
  time(step.at), " ", el("strong", {}, text(step.reason)), el("span", { class: "faint" }, ` ${text(step.revision)}`),
  el("p", {}, text(step.message)))));

const explained = (parts) => parts.map(object).map((part) => [
  el("h3", {}, text(part.head)),
  el("ul", {}, list(part.lines).map((line) => el("li", {}, text(line)))),
]);

const conditions = (all) => el("ul", { class: "plain" }, all.map(object).map((it) => el("li", {},
  el("strong", {}, `${text(it.type)}: ${text(it.status)}`), el("span", { class: "faint" }, ` ${text(it.reason)}`), el("p", {}, text(it.message)))));

export class Detail {
  constructor(main, key, { done }) {
    this.key = key;
    this.done = done;
    this.path = `api/rollouts/${address(key)}`;
    const [namespace, name] = split(key);
    this.head = el("div", { class: "head" });
    this.note = el("p", { class: "note", role: "status" });
    this.actions = el("div", { class: "actions" });
    const titles = { way: "Way of the version", checks: "Checks", charts: "Over time", gates: "Gates", pods: "Pods", explanation: "In words", history: "History", failed: "Versions that failed", conditions: "Conditions" };
    this.sections = Object.fromEntries(Object.entries(titles).map(([id, title]) => [id, section(id, title)]));
    this.raw = el("pre", { tabindex: "0", role: "region", "aria-label": "The whole object" });
    this.details = el("details", { ontoggle: () => this.showRaw() }, el("summary", {}, "The whole object"), this.raw);
    this.whole = el("div", { class: "sections" }, Object.values(this.sections).map((it) => it.whole));
    main.replaceChildren(
      el("nav", { "aria-label": "Where you are" }, el("a", { href: "#/" }, "← All Rollouts")),
      el("h1", { tabindex: "-1" }, name, el("span", { class: "faint" }, ` ${namespace}`)),
      this.note, this.head, this.actions, this.whole, this.details);
  }

  refuse(message) {
    this.note.textContent = message;
  }

  show(answer, me) {
    this.answer = answer;
    const whole = object(answer.object);
    const status = object(whole.status);
    const spec = object(whole.spec);
    const note = answer.understood ? "" : "This Rollout is of another version than this dashboard: it is shown as far as it is understood.";
    if (this.note.textContent !== note) this.note.textContent = note;
    put(this.head, [status.phase, status.message, spec.paused, status.stable, status.canary], () => [
      el("p", { class: "state" }, phase(status.phase), spec.paused && el("span", { class: "badge warn" }, "‖ paused")),
      field("message", status.message, "p", { class: "said" }),
      el("dl", {}, row("Serves", version(object(status.stable))), row("On its way", version(object(status.canary)))),
    ]);
    this.act(answer, me);
    const { way, checks: check, charts: chart, gates: gate, pods: pod, explanation, history, failed, conditions: condition } = this.sections;
    const under = status.stage ?? (["Promoting", "Reverting"].includes(status.phase) || undefined);
    way.put(under && [answer.stages, status.stage, status.phase], () => [track(answer.stages ?? spec.stages, status), stageFacts(object(status.stage))]);
    check.put(list(status.checks), () => checks(status));
    const rows = list(object(answer.series).rows);
    chart.put(rows.length ? [answer.series, status.checks, status.canary] : [], () => charts(answer.series, status));
    gate.put(list(status.gates), () => gates(status));
    pod.put(status.stable || status.canary ? [status.stable, status.canary, this.pods] : [], () => [pods(status), named(this.pods)]);
    explanation.put(list(answer.explanation), () => explained(answer.explanation));
    history.put(list(status.history), () => happened(status.history));
    failed.put(list(status.failed), () => happened(list(status.failed).map((it) => ({ ...object(it), reason: "Failed" }))));
    condition.put(list(status.conditions), () => conditions(status.conditions));
    this.whole.dataset.version = text(object(whole.metadata).resourceVersion);
    this.showRaw();
  }

  // What was found of the pods: `pods`, or why they are not shown.
  showPods(found, me) {
    this.pods = found;
    if (this.answer) this.show(this.answer, me);
  }

  act(answer, me) {
    if (!me) return;
    const actions = list(answer.actions);
    const held = this.actions.contains(document.activeElement);
    const isOther = put(this.actions, [actions, me.readOnly], () => me.readOnly
      ? el("p", { class: "faint" }, `To look at only: ${text(me.readOnly)}.`)
      : buttons(this.path, actions, (message) => {
        this.note.textContent = message;
        this.done();
      }));
    // Whoever was at a button that is gone is at the first of the others.
    if (held && isOther) this.actions.querySelector("button")?.focus();
  }

  // Built only when it is open: it may be long.
  showRaw() {
    if (this.details.open && this.answer) put(this.raw, this.answer.object, () => document.createTextNode(JSON.stringify(this.answer.object, null, 2)));
  }
}

export const spanSince = (at) => span(now() - Date.parse(at));
