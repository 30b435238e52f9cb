// An animated picture of what a program wrote to a terminal, as `script` recorded it: FOLDER COLUMNS ROWS CAPTION.
//
// Each row of the terminal is a strip of all that ever stood in it, and moves so that what stands there now is inside the
// window. Without animation, the end of the recording stands there.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { Terminal } = createRequire(path.join(process.env.NODE_PATH, "x"))("@xterm/headless");

const [folder, width, height, caption] = process.argv.slice(2);
const [columns, rows] = [width, height].map(Number);

// In seconds: as long as a frame stands at least, and at most where nothing moves; the last one longer.
const SHORTEST = 0.2;
const IDLE = 1.5;
const LAST = 7;
// A program that writes again within so long is not done drawing.
const UNDONE = 0.02;

// In pixels: a cell of the terminal, and what is around the cells.
const CELL = { width: 8.4, height: 18, baseline: 13.5 };
const BAR = 34;
const MARGIN = 14;
const WIDTH = Math.ceil(columns * CELL.width) + 2 * MARGIN;
const HEIGHT = BAR + rows * CELL.height + 2 * MARGIN;

const STYLE = `
.w{fill:#0d1117;stroke:#30363d}
.t{fill:#8b949e;font-size:12.5px}
text,.d{fill:#e6edf3}
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre}
.b{font-weight:700}
.f{opacity:.6}
.m{text-anchor:middle}
.c1{fill:#ff7b72}.c2{fill:#3fb950}.c3{fill:#e3b341}.c4{fill:#79c0ff}.c5{fill:#d2a8ff}.c6{fill:#56d4dd}
@media (prefers-reduced-motion:reduce){g{animation:none!important}}
`.trim();

const round = (number) => Number(number.toFixed(2));
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

// The class of a cell; what no class says is refused rather than left out.
function look(cell) {
  const number = cell.isFgDefault() ? 0 : cell.getFgColor();
  // Eight further is the bright one of a colour, and all that are drawn are bright.
  const colour = number % 8;
  const drawn = cell.isFgDefault() || (cell.isFgPalette() && number < 16 && colour >= 1 && colour <= 6);
  if (!drawn || !cell.isBgDefault() || cell.isInverse() || cell.isItalic() || cell.isUnderline() || cell.getWidth() !== 1) {
    throw new Error(`no way to draw "${cell.getChars()}" of colour ${number} as it is meant`);
  }
  return [cell.isBold() && "b", cell.isDim() && "f", colour ? `c${colour}` : "d"].filter(Boolean).join(" ");
}

// Blocks and lines fill their cells whatever the font is: each [top, height, opacity], in parts of a cell.
function block(letter) {
  const eighths = letter.codePointAt(0) - 0x2580;
  if (eighths >= 1 && eighths <= 8) return [1 - eighths / 8, eighths / 8, 1];
  return { "░": [0, 1, 0.3], "─": [0.48, 0.08, 1] }[letter];
}

function drawn(text, style, column) {
  const [x, wide] = [column, text.length].map((cells) => round(cells * CELL.width));
  const shape = block(text[0]);
  if (shape) {
    const [top, high] = shape.map((part) => round(part * CELL.height));
    const opacity = shape[2] < 1 ? ` fill-opacity="${shape[2]}"` : "";
    return `<rect x="${x}" y="${top}" width="${wide}" height="${high}" class="${style}"${opacity}/>`;
  }
  const classes = style.replace(/ ?\bd$/, "");
  const named = (more) => [classes, more].filter(Boolean).join(" ");
  const attribute = (names) => (names ? ` class="${names}"` : "");
  if (text > "~") {
    const middle = round(x + CELL.width / 2);
    return `<text x="${middle}" y="${CELL.baseline}"${attribute(named("m"))}>${text}</text>`;
  }
  const stretched = text.length > 1 ? ` textLength="${wide}"` : "";
  return `<text x="${x}" y="${CELL.baseline}"${stretched}${attribute(named())}>${escaped(text)}</text>`;
}

// A row of the terminal: words of one look, same blocks in one, and letters that fonts may lack each in its own cell.
function row(line) {
  const pieces = [];
  for (let column = 0; column < columns; column += 1) {
    const cell = line.getCell(column);
    const letter = cell.getChars() || " ";
    const style = look(cell);
    const last = pieces.at(-1);
    const follows = last && last.style === style && letter <= "~" === last.text[0] <= "~";
    if (follows && (letter <= "~" || (block(letter) && letter === last.text[0]))) last.text += letter;
    else pieces.push({ text: letter, style, column });
  }
  // What is far apart keeps its place by itself.
  const words = pieces.flatMap(({ text, style, column }) => (
    [...text.matchAll(/\S+( \S+)*/g)].map((word) => drawn(word[0], style, column + word.index))
  ));
  return words.join("");
}

// Every screen that stood long enough to be seen: its rows, and how long it stands.
async function screens() {
  const terminal = new Terminal({ cols: columns, rows, allowProposedApi: true });
  const output = fs.readFileSync(path.join(folder, "output"));
  const timing = fs.readFileSync(path.join(folder, "timing"), "utf8").trim().split("\n").map((line) => line.split(" ").map(Number));
  const seen = [];
  // Before what the program wrote there is a line of the recorder.
  let [place, time] = [output.indexOf("\n") + 1, 0];
  for (const [at, [delay, length]] of timing.entries()) {
    time += delay;
    await new Promise((done) => terminal.write(output.subarray(place, place += length), done));
    const { active } = terminal.buffer;
    if (active.type !== "alternate" || timing[at + 1]?.[0] < UNDONE) continue;
    const screen = { time, rows: Array.from({ length: rows }, (_, y) => row(active.getLine(y))) };
    const last = seen.at(-1);
    if (last?.rows.join("\n") === screen.rows.join("\n")) continue;
    if (last && time - last.time < SHORTEST) last.rows = screen.rows;
    else if (last || screen.rows.some(Boolean)) seen.push(screen);
  }
  return seen.map((screen, at) => ({ ...screen, lasts: Math.min(seen[at + 1]?.time - screen.time, IDLE) || LAST }));
}

// One row over time: what stood there, each beside the other, and when it is moved to which.
function strip(all, y, whole) {
  const stood = [];
  let time = 0;
  for (const screen of all) {
    if (stood.at(-1)?.text !== screen.rows[y]) stood.push({ text: screen.rows[y], time });
    time += screen.lasts;
  }
  const away = (at) => (stood.length - 1 - at) * WIDTH;
  const texts = stood.map(({ text }, at) => text && (away(at) ? `<g transform="translate(-${away(at)})">${text}</g>` : text));
  const moves = stood.map(({ time: since }, at) => `${round((since / whole) * 100)}%{transform:translateX(${away(at)}px)}`);
  const moving = stood.length > 1;
  return {
    style: moving ? `@keyframes r${y}{${moves.join("")}}#r${y}{animation:r${y} ${round(whole)}s step-end infinite}\n` : "",
    drawing: `<g transform="translate(0 ${y * CELL.height})"><g${moving ? ` id="r${y}"` : ""}>${texts.join("\n")}</g></g>\n`,
  };
}

const all = await screens();
if (all.length < 2) throw new Error(`nothing moves: ${all.length} screens in ${folder}`);
const whole = all.reduce((sum, { lasts }) => sum + lasts, 0);
const strips = Array.from({ length: rows }, (_, y) => strip(all, y, whole));
const buttons = ["#ff5f57", "#febc2e", "#28c840"].map((fill, at) => `<circle cx="${20 + at * 20}" cy="18" r="6" fill="${fill}"/>`);
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">
<title>${escaped(caption)}</title>
<style>
${STYLE}
${strips.map(({ style }) => style).join("")}</style>
<rect class="w" x=".5" y=".5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="9"/>
${buttons.join("")}
<text class="t m" x="${WIDTH / 2 + 30}" y="22">${escaped(caption)}</text>
<svg x="${MARGIN}" y="${BAR + MARGIN / 2}" width="${WIDTH - 2 * MARGIN}" height="${rows * CELL.height}">
${strips.map(({ drawing }) => drawing).join("")}</svg>
</svg>
`);
console.error(`${all.length} frames, ${round(whole)} seconds`);
