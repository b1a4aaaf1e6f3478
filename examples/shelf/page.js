"use strict";
const files = document.getElementById("files");
const cards = [...files.children];
const words = cards.map((card) => [...card.querySelectorAll("h2, .meta, .page, .passage, .colours")].map((part) => part.textContent).join(" ").toLowerCase());
const query = document.getElementById("query");
const chips = [...document.querySelectorAll("[data-group].chip")];
const views = [...document.querySelectorAll("[data-view]")].filter((each) => each.tagName === "BUTTON");
let group = "all";

function show() {
  const wanted = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  cards.forEach((card, at) => {
    const fits = (group === "all" || card.dataset.group === group) && wanted.every((word) => words[at].includes(word));
    card.hidden = !fits;
    shown += fits;
  });
  document.getElementById("count").textContent = `${shown} of ${cards.length}`;
  document.getElementById("nothing").hidden = shown > 0 || cards.length === 0;
}

function press(buttons, chosen) {
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
}

function everything() {
  query.value = "";
  group = "all";
  press(chips, chips[0]);
  show();
}

// A link to a file that the filter hides brings it back.
function follow() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.hidden) {
    everything();
    target.scrollIntoView();
  }
}

chips.forEach((chip) => chip.addEventListener("click", () => { group = chip.dataset.group; press(chips, chip); show(); }));
views.forEach((view) => view.addEventListener("click", () => { files.dataset.view = view.dataset.view; press(views, view); }));
query.addEventListener("input", show);
document.getElementById("clear").addEventListener("click", () => { everything(); query.focus(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== query && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    query.focus();
  } else if (event.key === "Escape" && document.activeElement === query) {
    everything();
  }
});
window.addEventListener("hashchange", follow);
document.getElementById("bar").hidden = false;
show();
follow();
