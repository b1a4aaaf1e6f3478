// What a run asks people and waits for: questions with their choices, and who sends what it waits for.

import { ask, make, moment, tell } from "./show.js";

const NAME = "tidemill.who";

export function asksPanel(id, fresh) {
  const panel = make("section", { class: "card asks", hidden: true });
  let shown = "";

  async function load(steps) {
    const isWaiting = steps.some((step) => step.kind === "wait" && step.status === "waiting");
    const waits = isWaiting ? (await ask(`/runs/${id}/waits?limit=1000`)).waits.filter((wait) => !wait.closed) : [];
    const said = JSON.stringify(waits);
    if (said === shown) return; // what somebody is writing stays
    shown = said;
    panel.hidden = !waits.length;
    panel.replaceChildren(make("h2", {}, "Waits"), ...waits.slice(0, 20).map((wait) => wait.kind === "approval" ? question(wait) : sentence(wait)),
      waits.length > 20 ? make("p", { class: "faint" }, `${waits.length - 20} more`) : "");
  }

  function question(wait) {
    const who = make("input", { maxlength: "200", autocomplete: "name", value: localStorage.getItem(NAME) ?? "", "aria-label": "Your name", placeholder: "Your name" });
    const comment = make("input", { maxlength: "4000", "aria-label": "Comment", placeholder: "Comment" });
    const choose = async (choice) => {
      localStorage.setItem(NAME, who.value);
      try { await tell(`/runs/${id}/approvals`, { step: wait.step, choice, comment: comment.value, who: who.value }); }
      catch (error) { alert(error.message); }
      shown = "";
      fresh(wait.step);
    };
    return make("form", { class: "question", onsubmit: (event) => event.preventDefault() },
      make("b", {}, wait.question), make("span", { class: "faint" }, ` ${wait.step}${until(wait)}`),
      make("div", { class: "bar" }, who, comment,
        wait.choices.map((choice) => make("button", { type: "button", class: "choice", onclick: () => choose(choice) }, choice))));
  }

  const sentence = (wait) => make("p", {}, { signal: `the signal ${wait.name}${wait.key ? ` for ${wait.key}` : ""}`, event: `an event ${wait.name}`, time: "an instant" }[wait.kind],
    make("span", { class: "faint" }, ` ${wait.step}${until(wait)}`));

  const until = (wait) => wait.until_at ? `, until ${moment(wait.until_at)}` : ", for ever";

  return { panel, load };
}
