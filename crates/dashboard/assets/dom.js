// Makes elements. What is shown is only ever text: there is no way from data to markup here.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export const el = (tag, properties, ...children) => filled(document.createElement(tag), properties, children);

export const svg = (tag, properties, ...children) => filled(document.createElementNS(SVG, tag), properties, children);

// Puts what `build` makes in the place of what `slot` holds, but only where what it is made from has changed: the focus,
// and whoever reads it aloud, stay where they are.
export function put(slot, from, build) {
  const key = JSON.stringify(from) ?? "";
  if (slot.dataset.from === key) return false;
  slot.dataset.from = key;
  const made = [build()].flat(Infinity).filter((it) => it instanceof Node);
  slot.replaceChildren(...made);
  return true;
}

// A text of whatever a field of a status may be: another version may have another form there.
export function text(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export const list = (value) => (Array.isArray(value) ? value.filter((it) => it !== null && it !== undefined) : []);

// A Rollout is known by `namespace/name`; neither has a slash of its own, as far as the cluster has a say.
export function split(key) {
  const at = key.indexOf("/");
  return [key.slice(0, at), key.slice(at + 1)];
}

export const address = (key) => split(key).map(encodeURIComponent).join("/");

// Names things for tests and for people who write styles.
export const field = (name, value, tag = "span", properties = {}) =>
  el(tag, { "data-field": name, ...properties }, text(value));
