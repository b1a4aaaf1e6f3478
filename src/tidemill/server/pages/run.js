// One run: what it is, its steps, its logs and what it made; live until it ends.

import { asksPanel } from "./asks.js";
import { ask, between, calmly, count, make, mark, moment, patch, pill, size, tell } from "./show.js";
import { tick } from "./list.js";
import { picturePanel } from "./picture.js";
import { Tree } from "./tree.js";

const LOG_LINES = 2000, SHOWN_JSON = 20000, AT_ONCE = 100;
const ENDED = new Set(["succeeded", "failed", "cancelled", "halted"]);

export function runPage(id, said) {
  const tree = new Tree();
  const changed = new Set();
  let run = null, selected = null;
  const head = make("section", { class: "head" });
  const rows = make("div", { class: "tree", role: "tree", "aria-label": "Steps" });
  const side = make("section", { class: "card side" });
  const result = make("section", { class: "card result", hidden: true });
  const files = make("section", { class: "card files", hidden: true });
  const logs = logPanel(id, () => selected);
  const asks = asksPanel(id, (path) => { changed.add(path); fresh(); });
  const picture = picturePanel(id);

  // Loading ---------------------------------------------------------------------------------------

  async function loadRun() {
    run = { done: 0, failed: 0, live: 0, ...await ask(`/runs/${id}`) };
  }

  async function loadAll() {
    await loadRun();
    let after = "", page;
    do {
      page = await ask(`/runs/${id}/steps?limit=1000&after=${encodeURIComponent(after)}`);
      for (const step of page.steps) tree.put(step);
      after = page.next;
    } while (after);
    showHead();
    showTree();
    await asks.load([...tree.steps.values()]);
    await loadEnd();
  }

  async function loadChanged() {
    const paths = [...changed];
    changed.clear();
    await loadRun();
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const asked = paths.slice(at, at + AT_ONCE).map((path) => `path=${encodeURIComponent(path)}`).join("&");
      for (const step of (await ask(`/runs/${id}/steps?${asked}`)).steps) tree.put(step);
    }
    showHead();
    showTree();
    await asks.load([...tree.steps.values()]);
    if (selected && paths.includes(selected)) showSide();
  }

  async function loadEnd() {
    const { artifacts } = await ask(`/runs/${id}/artifacts`);
    files.hidden = !artifacts.length;
    files.replaceChildren(make("h2", {}, count(artifacts.length, "file")), make("ul", {}, artifacts.map(artifact)));
    if (run.status !== "succeeded") return;
    result.hidden = false;
    try {
      const { value } = await ask(`/runs/${id}/result`);
      result.replaceChildren(make("h2", {}, "Result"), shown(value));
    } catch (error) { result.replaceChildren(make("h2", {}, "Result"), make("p", { class: "faint" }, error.message)); }
  }

  const artifact = (each) => make("li", {},
    make("a", { href: `/api/v1/runs/${id}/artifacts/${each.name.split("/").map(encodeURIComponent).join("/")}?step=${encodeURIComponent(each.path)}`, target: "_blank", rel: "noopener" }, each.name),
    make("span", { class: "faint" }, ` ${size(each.size)} · ${each.media_type} · ${each.path}`));

  // Showing ---------------------------------------------------------------------------------------

  function showHead() {
    document.title = `${run.workflow} · Tidemill`;
    const bar = make("div", { class: "progress", role: "img", "aria-label": `${run.done} done, ${run.failed} failed, ${run.live} open` });
    for (const [name, part] of [["succeeded", run.done], ["failed", run.failed], ["running", run.live]]) {
      const piece = make("i", { class: name });
      piece.style.flexGrow = part;
      bar.append(piece);
    }
    const ends = ENDED.has(run.status);
    head.replaceChildren(
      make("div", { class: "bar" },
        make("h1", {}, run.workflow), pill(run.status),
        ends ? "" : make("button", { class: "danger", onclick: cancel, disabled: run.status === "cancelling" }, run.status === "cancelling" ? "Cancelling…" : "Cancel")),
      make("p", { class: "facts" },
        make("code", {}, id),
        make("button", { class: "quiet small", onclick: () => navigator.clipboard.writeText(id) }, "copy"),
        make("span", {}, "started ", moment(run.created_at)),
        make("span", {}, ends ? "took " : "running for ", make("time", { "data-from": run.created_at, "data-to": run.ended_at }, between(run.created_at, run.ended_at))),
        make("span", {}, [`${run.done.toLocaleString()} done`, run.failed ? `${run.failed} failed` : "", run.live ? `${run.live} open` : ""].filter(Boolean).join(", ")),
        Object.entries(run.tags ?? {}).filter(([name]) => !name.startsWith("tidemill."))
          .map(([name, value]) => make("span", { class: "tag" }, `${name}: ${value}`))),
      bar,
      run.failure ? failure(run.failure) : "",
      run.reason ? make("div", { class: "box" }, run.reason) : "");
  }

  async function cancel() {
    if (!confirm("Cancel this run? Steps that run are asked to stop.")) return;
    try { await tell(`/runs/${id}/cancel`, { reason: "cancelled from the page" }); } catch (error) { alert(error.message); }
    fresh();
  }

  function showTree() {
    patch(rows, tree.rows().map((row) => ({
      key: row.key,
      said: JSON.stringify([row, row.key === selected]),
      make: () => treeRow(row),
    })));
    if (!tree.steps.size) rows.replaceChildren(make("p", { class: "faint" }, "No step has begun."));
  }

  function treeRow(row) {
    const indent = (element) => { element.style.paddingInlineStart = `${0.6 + row.depth * 1.25}rem`; return element; };
    if (row.kind === "more") {
      return indent(make("div", { class: "row" }, make("button", { class: "quiet small", onclick: () => { tree.more(row); showTree(); } }, `${row.left.toLocaleString()} more`)));
    }
    const toggle = () => { tree.toggle(row); showTree(); };
    if (row.kind === "group") {
      return indent(make("button", { class: `row group ${row.name}`, "aria-expanded": String(row.isOpen), onclick: toggle },
        make("span", { class: "fold" }, row.isOpen ? "▾" : "▸"), `${row.total.toLocaleString()} ${row.name}`));
    }
    const step = row.step;
    const choose = () => { selected = selected === row.key ? null : row.key; showTree(); showSide(); logs.start(); };
    return indent(make("div", { class: `row ${row.status}`, role: "treeitem", "aria-selected": String(row.key === selected), "aria-expanded": row.inside ? String(row.isOpen) : null },
      row.inside ? make("button", { class: "fold", "aria-label": row.isOpen ? "Close" : "Open", onclick: toggle }, row.isOpen ? "▾" : "▸") : make("span", { class: "fold" }),
      mark(row.status),
      make("button", { class: "label", onclick: step ? choose : toggle }, row.label),
      step?.task && !row.label.endsWith(step.task.split(".").pop()) ? make("span", { class: "faint" }, step.task) : "",
      step?.attempts > 1 ? make("span", { class: "tries" }, `try ${step.attempts}`) : "",
      elements(step), progress(step),
      step?.failure ? make("span", { class: "why" }, step.failure.message) : "",
      make("span", { class: "end" }, step?.worker && row.status === "running" ? make("span", { class: "faint" }, step.worker) : "",
        step?.started_at ? make("time", { "data-from": step.started_at, "data-to": step.ended_at || (ENDED.has(row.status) ? step.started_at : null) }, between(step.started_at, step.ended_at)) : "")));
  }

  async function showSide() {
    if (!selected) { side.replaceChildren(make("p", { class: "faint" }, "Choose a step to see its attempts, its result and its log.")); return; }
    const path = selected, step = tree.steps.get(path);
    const { attempts } = await ask(`/runs/${id}/attempts?path=${encodeURIComponent(path)}`);
    const why = step && !ENDED.has(step.status) ? await ask(`/runs/${id}/why`) : null;
    if (path !== selected) return;
    const reasons = why?.steps.find((each) => each.path === path);
    side.replaceChildren(
      make("h2", { class: "path" }, mark(step?.status ?? "waiting"), " ", path),
      reasons?.reasons?.length ? make("div", { class: "box" }, reasons.reasons.map((text) => make("div", {}, text)), reasons.advice ? make("b", {}, reasons.advice) : "") : "",
      step?.status === "succeeded" && step.kind === "task" ? valueButton(path) : "",
      make("ol", { class: "attempts" }, attempts.map((each) => make("li", {},
        make("div", {}, mark(each.status), ` attempt ${each.number} `, make("b", {}, each.status), ` on ${each.worker}`,
          make("span", { class: "faint" }, ` ${moment(each.started_at || each.leased_at)} ${between(each.started_at, each.ended_at)}`)),
        each.failure ? failure(each.failure) : ""))));
  }

  const valueButton = (path) => make("button", { class: "quiet", onclick: async (event) => {
    try { event.target.replaceWith(shown(await ask(`/runs/${id}/values/${encodeURIComponent(path)}`))); }
    catch (error) { event.target.replaceWith(make("p", { class: "faint" }, error.message)); }
  } }, "Show its result");

  // Live ------------------------------------------------------------------------------------------

  const fresh = calmly(() => loadChanged().catch(() => said(false)), 300);
  const paint = calmly(showTree, 250);
  const events = new EventSource(`/api/v1/runs/${encodeURIComponent(id)}/events`);
  events.onopen = () => said(true);
  events.onerror = () => said(false);
  events.addEventListener("events", (event) => {
    for (const each of JSON.parse(event.data)) {
      const path = each.path ?? "";
      if (path) changed.add(path);
      for (let at = path.length; (at = path.lastIndexOf("/", at - 1)) > 0;) changed.add(path.slice(0, at).replace(/\[\d+\]$/, ""));
    }
    if (run) fresh();
    picture.fresh();
  });
  events.addEventListener("live", (event) => {
    const { kind, path, detail } = JSON.parse(event.data);
    if (kind !== "progress") return;
    tree.progress(path, [detail.fraction, detail.stage, detail.message]);
    paint();
    picture.fresh();
  });
  events.addEventListener("end", async () => {
    events.close();
    said(true, "ended");
    changed.clear();
    picture.ended();
    await loadAll();
    showSide();
  });
  setInterval(tick, 1000);
  loadAll().then(showSide, (error) => head.replaceChildren(make("div", { class: "box failed" }, error.message)));
  logs.start();
  return make("div", {}, head, asks.panel, picture.panel,
    make("div", { class: "columns" }, make("section", { class: "card" }, make("h2", {}, "Steps"), rows), make("div", { class: "aside" }, result, files, side)),
    logs.panel);
}

function elements(step) {
  if (!step?.elements?.length) return "";
  const of = { ...step.elements };
  if (ENDED.has(step.status)) of.open = 0;
  const bar = make("span", { class: "progress", title: `${of.done} done, ${of.failed} failed, ${of.open} open of ${of.length}` });
  for (const [name, part] of [["succeeded", of.done], ["failed", of.failed], ["running", of.open], ["rest", of.length - of.done - of.failed - of.open]]) {
    const piece = make("i", { class: name });
    piece.style.flexGrow = part;
    bar.append(piece);
  }
  return make("span", { class: "of" }, `${of.done.toLocaleString()} of ${of.length.toLocaleString()}`, bar);
}

function progress(step) {
  if (!step?.progress || ENDED.has(step.status)) return "";
  const [fraction, stage, message] = step.progress;
  const piece = make("i", { class: "running" }), rest = make("i", { class: "rest" });
  piece.style.flexGrow = fraction;
  rest.style.flexGrow = 1 - fraction;
  return make("span", { class: "of" }, `${Math.round(fraction * 100)} %`, make("span", { class: "progress" }, piece, rest), make("span", { class: "faint" }, [stage, message].filter(Boolean).join(": ")));
}

const failure = (each) => make("div", { class: "box failed" },
  make("div", {}, make("b", {}, each.code), each.path ? ` at ${each.path}` : "", ": ", each.message || each.type || ""),
  (each.violations ?? []).map(([path, text]) => make("div", {}, make("code", {}, path), ` ${text}`)),
  each.traceback ? make("details", {}, make("summary", {}, each.type || "Traceback"), make("pre", {}, each.traceback)) : "");

// A value as JSON, cut where it is long; files in it as links.
function shown(value) {
  const links = [];
  const walk = (each) => {
    if (!each || typeof each !== "object" || links.length > 50) return;
    if (typeof each.$file === "string" && /^sha256:[0-9a-f]{64}$/.test(each.$file)) links.push(each);
    for (const inner of Object.values(each)) walk(inner);
  };
  walk(value);
  const text = JSON.stringify(value, null, 2) ?? "null";
  return make("div", {},
    links.map((file) => make("p", {}, make("a", { href: `/api/v1/blobs/${file.$file}`, download: file.name || "file" }, file.name || file.$file.slice(0, 19)), make("span", { class: "faint" }, ` ${size(file.size)}`))),
    make("pre", {}, text.slice(0, SHOWN_JSON)),
    text.length > SHOWN_JSON ? make("p", { class: "faint" }, `${(text.length - SHOWN_JSON).toLocaleString()} characters more`) : "");
}

function logPanel(id, selected) {
  const lines = make("div", { class: "lines", tabindex: "0", role: "log", "aria-label": "Log" });
  const title = make("h2", {}, "Log");
  let source = null;
  const start = () => {
    source?.close();
    lines.replaceChildren();
    const path = selected();
    title.textContent = path ? `Log of ${path}` : "Log";
    title.classList.toggle("path", Boolean(path));
    const query = path ? `&path=${encodeURIComponent(path)}` : "";
    source = new EventSource(`/api/v1/runs/${encodeURIComponent(id)}/logs?follow=true${query}`);
    const mine = source;
    mine.addEventListener("lines", (event) => {
      if (mine !== source) return;
      const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
      lines.append(...JSON.parse(event.data).map((each) => make("div", { class: each.level.toLowerCase() },
        make("span", { class: "faint" }, moment(each.at), path ? "" : ` ${each.path}`), " ", each.text)));
      while (lines.childElementCount > LOG_LINES) lines.firstElementChild.remove();
      if (isAtEnd) lines.scrollTop = lines.scrollHeight;
    });
    mine.addEventListener("end", () => mine.close());
  };
  return { panel: make("section", { class: "card log" }, title, lines), start };
}
