// What people may ask of a rollout: the same as on the command line. Each names the version that is on the page.

import { el } from "./dom.js";
import { post } from "./server.js";

const SAID = {
  approve: (it) => [`Approve ${it.gate}`, `Says yes to gate ${it.gate} about version ${it.revision}, in your name.`],
  promote: (it) => [`Promote from ${it.stage}`, `Leaves stage ${it.stage} without its bake, its evidence and the schedule; gates are asked. Version ${it.revision}.`],
  abort: (it) => ["Abort", `Takes all traffic back to the stable version, and does not try version ${it.revision} again.`],
  pause: () => ["Pause", "Nothing goes on by itself; a failure still goes back."],
  resume: () => ["Resume", "Lets it go on by itself."],
};

function confirm(path, asked, [head, what], done) {
  const said = el("p", { role: "status" });
  const close = () => dialog.close();
  const yes = el("button", {
    type: "button", class: asked.verb === "abort" ? "danger" : "primary",
    onclick: async () => {
      yes.disabled = true;
      try {
        const { message } = await post(`${path}/${asked.verb}`, asked);
        done(message);
        close();
      } catch (error) {
        said.textContent = error.message;
        yes.disabled = false;
      }
    },
  }, head);
  const dialog = el("dialog", { "aria-labelledby": "asks", onclose: () => dialog.remove() },
    el("h2", { id: "asks" }, `${head}?`), el("p", {}, what), said,
    el("div", { class: "buttons" }, yes, el("button", { type: "button", onclick: close }, "Cancel")));
  document.body.append(dialog);
  dialog.showModal();
}

export function buttons(path, actions, done) {
  const known = actions.filter((asked) => SAID[asked.verb]);
  return el("div", { class: "buttons" }, known.map((asked) => {
    const said = SAID[asked.verb](asked);
    return el("button", { type: "button", "data-verb": asked.verb, onclick: () => confirm(path, asked, said, done) }, said[0]);
  }));
}
