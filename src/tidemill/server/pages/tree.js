// Steps as a tree, and the tree as the rows that are shown. A path is `pages[17]/embed`: node, element, node.

const ENDED = new Set(["succeeded", "failed", "cancelled", "skipped"]);
const AT_ONCE = { failed: 10, running: 32, waiting: 32, done: 100 }, MORE = 500;

export class Tree {
  constructor() {
    this.steps = new Map();
    this.root = node("");
    this.open = new Map(); // key -> whether it is open, where a person chose
    this.shown = new Map(); // key -> how many of a long list
  }

  put(step) {
    const known = this.steps.get(step.path);
    this.steps.set(step.path, known && step.progress === undefined ? { ...step, progress: undefined } : step);
    if (known) return;
    let at = this.root, path = "";
    for (const segment of step.path.split("/")) {
      const [name, element] = segment.split("[");
      at = child(at, path ? `${path}/${name}` : name, name);
      path = path ? `${path}/${segment}` : segment;
      if (element !== undefined) at = child(at, path, `[${element}`);
    }
  }

  progress(path, progress) {
    const step = this.steps.get(path);
    if (step) this.steps.set(path, { ...step, progress });
  }

  // What a place without a step of its own amounts to: an element of a map, an arm of a branch.
  status(at) {
    const step = this.steps.get(at.path);
    if (step) return step.status === "waiting" && step.kind !== "task" && step.kind !== "wait" ? "running" : step.status;
    const all = [...at.children.values()].map((each) => this.status(each));
    for (const status of ["failed", "running", "leased", "ready", "waiting", "blocked", "cancelled", "skipped"]) {
      if (all.includes(status)) return status;
    }
    return "succeeded";
  }

  rows() {
    const rows = [];
    this.#below(this.root, 0, rows);
    return rows;
  }

  // When a place began; "~" is after all times.
  #begun(at) {
    let first = this.steps.get(at.path)?.started_at || "~";
    for (const each of at.children.values()) {
      const begun = this.#begun(each);
      if (begun < first) first = begun;
    }
    return first;
  }

  #below(at, depth, rows) {
    const elements = [], places = [];
    for (const each of at.children.values()) (each.name.startsWith("[") ? elements : places).push(each);
    elements.sort((one, other) => parseInt(one.name.slice(1), 10) - parseInt(other.name.slice(1), 10));
    if (elements.length) this.#elements(at, elements, depth, rows);
    const begun = new Map(places.map((each) => [each, this.#begun(each)]));
    places.sort((one, other) => (begun.get(one) < begun.get(other) ? -1 : Number(begun.get(one) > begun.get(other))));
    for (const each of places) this.#place(each, each.name, depth, rows);
  }

  #place(at, label, depth, rows) {
    // A place that holds one thing only is shown with it: `[17] embed`.
    while (!this.steps.has(at.path) && at.children.size === 1) {
      at = at.children.values().next().value;
      label = `${label} ${at.name}`;
    }
    const inside = at.children.size > 0;
    const status = this.status(at);
    const isOpen = inside && (this.open.get(at.path) ?? (depth < 2 || !ENDED.has(status)));
    rows.push({ kind: "step", key: at.path, depth, label, status, step: this.steps.get(at.path), inside, isOpen });
    if (isOpen) this.#below(at, depth + 1, rows);
  }

  // Elements by how they are: what failed and what runs is shown, what is done is counted.
  #elements(at, elements, depth, rows) {
    if (elements.length <= 12) {
      for (const each of elements) this.#place(each, each.name, depth, rows);
      return;
    }
    const groups = { failed: [], running: [], waiting: [], done: [] };
    for (const each of elements) groups[group(this.status(each))].push(each);
    for (const [name, some] of Object.entries(groups)) {
      if (!some.length) continue;
      const key = `${at.path}#${name}`;
      const isOpen = this.open.get(key) ?? (name === "failed" || (name === "running" && some.length <= 32));
      rows.push({ kind: "group", key, depth, name, total: some.length, isOpen });
      if (!isOpen) continue;
      const limit = this.shown.get(key) ?? AT_ONCE[name];
      for (const each of some.slice(0, limit)) this.#place(each, each.name, depth + 1, rows);
      if (some.length > limit) rows.push({ kind: "more", key: `${key}+`, of: key, depth: depth + 1, limit, left: some.length - limit });
    }
  }

  toggle(row) {
    this.open.set(row.key, !row.isOpen);
  }

  more(row) {
    this.shown.set(row.of, row.limit + MORE);
  }
}

function group(status) {
  if (status === "failed") return "failed";
  if (ENDED.has(status)) return "done";
  return status === "running" || status === "leased" ? "running" : "waiting";
}

const node = (path, name = "") => ({ path, name, children: new Map() });

function child(at, path, name) {
  if (!at.children.has(path)) at.children.set(path, node(path, name));
  return at.children.get(path);
}
