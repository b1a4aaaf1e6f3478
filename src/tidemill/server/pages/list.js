// All runs, newest first, kept up to date by the feed of events.

import { ask, between, calmly, make, mark, moment, patch, pill } from "./show.js";

const STATUSES = ["running", "failed", "succeeded", "cancelled"];

export function listPage(said) {
  const query = new URLSearchParams(location.search);
  const body = make("tbody");
  const empty = make("div", { class: "empty", hidden: true });
  const more = make("button", { class: "quiet", hidden: true, onclick: () => load(true) }, "Older runs");
  const runs = new Map();
  let next = "";

  async function load(older = false) {
    const asked = new URLSearchParams(query);
    if (older) asked.set("before", next);
    const page = await ask(`/runs?${asked}`);
    if (!older) for (const run of page.runs) runs.delete(run.id);
    const together = older ? [...runs.values(), ...page.runs] : [...page.runs, ...runs.values()];
    runs.clear();
    for (const run of together) runs.set(run.id, run);
    if (older || !next) next = page.next ?? "";
    show();
  }

  function show() {
    patch(body, [...runs.values()].map((run) => ({ key: run.id, said: JSON.stringify(run), make: () => row(run) })));
    more.hidden = !next;
    empty.hidden = runs.size > 0;
    const isAll = ![...query].length;
    empty.replaceChildren(
      make("h2", {}, isAll ? "No runs yet" : "No run fits"),
      make("p", {}, isAll ? "Submit one, and it shows up here:" : "Other filters may find some."),
      isAll ? make("pre", {}, "from tidemill import Client\n\nclient = Client()\nrun = client.submit(my_task, 42)\nprint(run.result())") : "",
    );
  }

  const filter = (name, value) => {
    const asked = new URLSearchParams(query);
    if (value && asked.get(name) !== value) asked.set(name, value);
    else asked.delete(name);
    return `/?${asked}`;
  };

  const chips = STATUSES.map((status) =>
    make("a", { class: "chip", href: filter("status", status), "aria-current": query.get("status") === status ? "true" : false }, mark(status), status));
  const only = query.get("workflow") &&
    make("a", { class: "chip", href: filter("workflow", ""), "aria-current": "true" }, query.get("workflow"), " ✕");
  const row = (run) => make("tr", { class: run.status },
    make("td", {}, pill(run.status)),
    make("td", { class: "name" }, make("a", { href: `/runs/${run.id}` }, run.workflow)),
    make("td", { class: "counts" }, counts(run)),
    make("td", { class: "number" }, moment(run.created_at)),
    make("td", { class: "number" }, make("time", { "data-from": run.created_at, "data-to": run.ended_at }, between(run.created_at, run.ended_at))),
    make("td", { class: "id" }, make("a", { href: `/runs/${run.id}`, title: run.id }, run.id.slice(0, 8) + "…" + run.id.slice(-4))),
  );

  const fresh = calmly(() => load().catch(() => said(false)), 500);
  const events = new EventSource("/api/v1/events");
  events.onopen = () => { said(true); fresh(); };
  events.onerror = () => said(false);
  events.addEventListener("events", fresh);
  setInterval(tick, 1000);
  return make("div", {},
    make("div", { class: "bar" }, make("h1", {}, "Runs"), make("nav", { class: "chips", "aria-label": "Filters" }, chips, only)),
    make("table", { class: "runs" },
      make("thead", {}, make("tr", {}, ["", "Workflow", "Steps", "Started", "Took", "Id"].map((text) => make("th", { scope: "col" }, text)))),
      body),
    empty, more);
}

export function tick() {
  for (const time of document.querySelectorAll("time[data-from]:not([data-to])")) {
    time.textContent = between(time.dataset.from);
  }
}

const counts = (run) => [
  run.done ? make("span", { class: "succeeded" }, `✓ ${run.done}`) : "",
  run.failed ? make("span", { class: "failed" }, `✕ ${run.failed}`) : "",
  run.live ? make("span", { class: "running" }, `● ${run.live}`) : "",
];
