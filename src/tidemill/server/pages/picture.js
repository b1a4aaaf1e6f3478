// The run as a picture: its graph as it stands, or its timeline. The server draws; it is fetched again while it is looked at.

import { calmly, make } from "./show.js";

const CALM_MS = 1500, CLOSED = "picture-closed";
const KINDS = [["Graph", ""], ["Timeline", "?timeline=true"]];

export function picturePanel(id) {
  let kind = 0, number = 0, hasEnded = false, timer = null;
  const image = make("img", { alt: "", hidden: true });
  const frame = make("div", { class: "frame", tabindex: "0", role: "region", "aria-label": "Picture of the run" }, image);
  const note = make("p", { class: "faint", hidden: true });
  const source = () => `/api/v1/runs/${encodeURIComponent(id)}/picture${KINDS[kind][1]}`;
  const open = make("a", { class: "faint", target: "_blank", rel: "noopener", href: source() }, "open");
  const tabs = KINDS.map(([name], at) => make("button", { class: "chip", onclick: () => choose(at) }, name));
  const panel = make("details", { class: "card picture", open: localStorage.getItem(CLOSED) === null, ontoggle: toggled },
    make("summary", {}, make("h2", {}, "Picture")), make("div", { class: "bar" }, ...tabs, open), note, frame);

  function toggled() {
    if (panel.open) localStorage.removeItem(CLOSED);
    else localStorage.setItem(CLOSED, "yes");
    load();
  }

  function choose(at) {
    kind = at;
    open.href = source();
    tabs.forEach((tab, each) => (each === at ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current")));
    load();
  }

  // The next picture takes the place of the last one when it is whole, so that nothing flickers.
  async function load() {
    if (!panel.open || document.hidden) return;
    const mine = ++number, url = source();
    try {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      const text = await answer.text();
      const next = new Image();
      next.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
      next.alt = `${KINDS[kind][0]} of this run`;
      await next.decode();
      if (mine !== number) return;
      frame.firstElementChild.replaceWith(next);
      note.hidden = true;
    } catch (error) {
      if (mine !== number) return;
      note.textContent = error.message;
      note.hidden = false;
    }
    clearTimeout(timer);
    if (!hasEnded && kind === 1) timer = setTimeout(load, 2 * CALM_MS); // bars of what runs grow
  }

  choose(0);
  return { panel, fresh: calmly(load, CALM_MS), ended: () => { hasEnded = true; load(); } };
}
