// Which page this is, and what stands above each: the fleet, and whether what is shown is live.

import { ask, count, make } from "./show.js";
import { listPage } from "./list.js";
import { runPage } from "./run.js";

const live = document.getElementById("live");

export function said(isLive, text) {
  live.textContent = text ?? (isLive ? "live" : "the server does not answer; trying again…");
  live.classList.toggle("off", !isLive);
}

async function fleet() {
  const box = document.getElementById("fleet");
  try {
    const health = await ask("/health");
    box.replaceChildren(make("span", { class: health.workers ? "" : "warn" }, count(health.workers, "worker")));
    box.append(make("span", { class: "faint" }, ` · ${health.version}`));
  } catch { box.textContent = ""; }
}

fleet();
setInterval(() => document.hidden || fleet(), 5000);
const run = location.pathname.match(/^\/runs\/([^/]+)$/);
const page = run ? runPage(decodeURIComponent(run[1]), said) : listPage(said);
document.getElementById("main").replaceChildren(page);
