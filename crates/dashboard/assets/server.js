// Speaks with the server that the page came from, with the reader's own credentials.
//
// They are sent in a header, never in an address, and there is no cookie: no other page can ask in the reader's name.

const KEY = "tidegate-token";

// The key of a link stands behind the #, which browsers send to nobody. It goes from there at once, so that what is copied
// from the address bar is for everybody. It is for this machine alone and ends with the process, so that other tabs may have
// it; a token that was typed stays with its tab.
export function takeToken() {
  const found = location.hash.match(/^#token=([^&]+)(?:&(\/.*))?$/);
  if (!found) return;
  sessionStorage.removeItem(KEY);
  localStorage.setItem(KEY, decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}${location.search}#${found[2] ?? "/"}`);
}

const token = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";

export const setToken = (text) => sessionStorage.setItem(KEY, text.trim());

export function forgetToken() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

export const hasToken = () => token() !== "";

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin", redirect: "error" });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, String(said.message ?? `the server answered ${answer.status}`));
}

export const get = async (path) => (await ask(path)).json();

export const post = async (path, body) =>
  (await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Tidegate": "1" },
    body: JSON.stringify(body),
  })).json();

// The server speaks at least every ten seconds.
const SILENCE = 25_000;

async function read(answer, heard, alive) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const part = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (part("data")) heard(part("event"), JSON.parse(part("data")));
    }
  }
}

// Listens until `stop` is aborted, and begins anew whenever it ends. `told` is called with "open", "closed" or "refused".
export async function listen(heard, told, stop) {
  let pause = 1_000;
  while (!stop.aborted) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    stop.addEventListener("abort", end, { once: true });
    let timer = setTimeout(end, SILENCE);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE);
    };
    try {
      const answer = await ask("api/events", { headers: { Accept: "text/event-stream" }, signal: attempt.signal });
      told("open");
      pause = 1_000;
      await read(answer, (event, data) => {
        if (event === "refused") throw new Refused(401, data.message);
        heard(data);
      }, alive);
      told("closed");
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof Refused && error.code === 401) return told("refused", error.message);
      told("closed", error instanceof Refused ? error.message : undefined);
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 15_000);
  }
}
