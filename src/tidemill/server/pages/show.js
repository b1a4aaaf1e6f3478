// Elements and texts. Whatever comes from a task is set as text, never as markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const MARKS = {
  succeeded: "✓", failed: "✕", cancelled: "⊘", skipped: "⊖", running: "●", leased: "◐", ready: "○", waiting: "◌", blocked: "·",
  cancelling: "⊘", halted: "!", lost: "✕", released: "↺", stopped: "⊘", killed: "⊘", presumed: "⊘", abandoned: "⊘",
  stopping: "⊘",
};

export const mark = (status) =>
  make("span", { class: `mark ${status}`, title: status, "aria-label": status }, MARKS[status] ?? "?");

export const pill = (status) => make("span", { class: `pill ${status}` }, status);

export function duration(ms) {
  if (!(ms >= 0)) return "";
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export const between = (from, to) =>
  from ? duration((to ? Date.parse(to) : Date.now()) - Date.parse(from)) : "";

export function moment(text) {
  if (!text) return "";
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString() : `${at.toLocaleDateString()} ${at.toLocaleTimeString()}`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

export function size(bytes) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (bytes < 1024 || unit === "GiB") return `${unit === "B" ? bytes : bytes.toFixed(1)} ${unit}`;
    bytes /= 1024;
  }
}

// One call of `work` at a time and per `ms`, the last one included.
export function calmly(work, ms) {
  let isBusy = false, again = false;
  async function go() {
    isBusy = true;
    do {
      again = false;
      await work();
      await new Promise((done) => setTimeout(done, ms));
    } while (again);
    isBusy = false;
  }
  return () => { again = true; if (!isBusy) go(); };
}

// Rows with keys: what is there is kept, so that focus and selection stay.
export function patch(parent, rows) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const row of rows) {
    let element = known.get(row.key);
    known.delete(row.key);
    if (!element || element.dataset.said !== row.said) {
      const made = row.make();
      made.dataset.key = row.key;
      made.dataset.said = row.said;
      if (element) {
        if (element === at) at = made;
        element.replaceWith(made);
      }
      element = made;
    }
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const element of known.values()) element.remove();
}

export class ProblemError extends Error {}

export async function ask(path, options = {}) {
  const answer = await fetch(`/api/v1${path}`, { headers: { accept: "application/json" }, ...options });
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) {
    const error = new ProblemError(body.detail || body.title);
    error.problem = body;
    throw error;
  }
  return body;
}

export const tell = (path, body) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", accept: "application/json" } });
