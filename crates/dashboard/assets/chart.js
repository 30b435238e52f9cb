// A line over time, with its limit: an SVG of a few lines.

import { el, svg, text } from "./dom.js";
import { now, span } from "./words.js";

const WIDTH = 380;
const LEFT = 52;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 18;

export function number(value) {
  const found = text(value).trim();
  if (!found) return undefined;
  if (/^-?[\d.]+%?$/.test(found)) return Number.parseFloat(found);
  const parts = [...found.matchAll(/([\d.]+)(d|h|ms|m|s|µs|us|ns)/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== found.replace(/^-/, "")) return undefined;
  const units = { d: 86400, h: 3600, m: 60, s: 1, ms: 1e-3, "µs": 1e-6, us: 1e-6, ns: 1e-9 };
  return parts.reduce((sum, part) => sum + Number.parseFloat(part[1]) * units[part[2]], 0);
}

// The numbers in the form of `like`, which is a value or a limit of the same check.
export function shown(value, like) {
  const form = text(like).trim();
  if (form.endsWith("%")) return `${round(value)}%`;
  if (/[smh]$/.test(form)) return value < 1 ? `${round(value * 1000)}ms` : `${round(value)}s`;
  return round(value);
}

const round = (value) => String(Number(value.toPrecision(3)));

const scale = (from, to, low, high) => (value) => low + ((value - from) / (to - from || 1)) * (high - low);

function path(points, x, y, steps) {
  let drawn = "";
  let last;
  for (const [at, value] of points) {
    if (value === null || value === undefined) {
      last = undefined;
      continue;
    }
    const [left, top] = [x(at).toFixed(1), y(value).toFixed(1)];
    if (last === undefined) drawn += `M${left} ${top}`;
    else drawn += steps ? `H${left}V${top}` : `L${left} ${top}`;
    last = value;
  }
  return drawn;
}

function when(second) {
  const since = now() - second * 1000;
  return since < 2_000 ? "now" : `${span(since)} ago`;
}

// `points` are pairs of seconds and a number, or nothing; `limit` and `like` may be absent.
export function chart({ name, points, from, to, most, limit, like, steps, height = 120, at: marks = [] }) {
  const values = points.map(([, value]) => value).filter((value) => value !== null && value !== undefined);
  const tops = limit === undefined ? values : [...values, limit];
  const top = most ?? (Math.max(...tops, 0) * 1.15 || 1);
  const bottom = Math.min(0, ...values);
  const x = scale(from, to, LEFT, WIDTH - RIGHT);
  const y = scale(bottom, top, height - BOTTOM, TOP);
  const latest = values.at(-1);
  const told = values.length
    ? `${name}: ${shown(latest, like)} at last, from ${shown(Math.min(...values), like)} to ${shown(Math.max(...values), like)} in ${span((to - from) * 1000)}${limit === undefined ? "" : `, limit ${shown(limit, like)}`}`
    : `${name}: no values yet`;
  const line = (value, kind) => svg("line", { class: kind, x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) });
  const label = (value, anchor) => svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": anchor ?? "end" }, shown(value, like));
  return el("figure", { class: "chart" },
    el("figcaption", {}, name, latest !== undefined && el("span", { class: "faint" }, ` ${shown(latest, like)}${limit === undefined ? "" : `, limit ${shown(limit, like)}`}`)),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": told },
      line(bottom, "axis"), line(top, "axis"), label(bottom), (limit === undefined || limit < top * 0.75) && label(top),
      marks.map((mark) => svg("line", { class: "mark", x1: x(mark), x2: x(mark), y1: TOP, y2: height - BOTTOM })),
      limit !== undefined && [line(limit, "limit"), limit > top * 0.2 && label(limit)],
      svg("path", { class: "line", d: path(points, x, y, steps) }),
      latest !== undefined && points.at(-1)[1] !== null && svg("circle", { class: "dot", cx: x(points.at(-1)[0]), cy: y(latest), r: 3.5 }),
      svg("text", { x: LEFT, y: height - 4 }, when(from)),
      svg("text", { x: WIDTH - RIGHT, y: height - 4, "text-anchor": "end" }, when(to))));
}
