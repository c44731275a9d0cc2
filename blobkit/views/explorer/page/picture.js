// The icicle. Python lays it out; blocks are elements, so that the page's own search finds their names.
const HIGH = 28;

function pictureArea(v) {
  v.crumbs = attrs(el("nav", "crumbs"), { "aria-label": "Where the picture is" });
  v.tip = el("span", "tip");
  v.blocks = attrs(el("div", "blocks"), { role: "group" });
  v.blocks.addEventListener("keydown", (event) => blockKeys(v, event));
  return el("div", "ice", el("div", "over", v.crumbs, v.tip), v.blocks);
}

const pixels = (v) => Math.max(200, Math.min(4000, Math.round(v.blocks.clientWidth || 900)));

function showPicture(v, { title, crumbs, blocks }) {
  const had = v.blocks.contains(active(v));
  const gone = v.crumbs.contains(active(v));
  v.blocks.replaceChildren(...blocks.map((b) => block(v, b)));
  v.blocks.setAttribute("aria-label", title);
  v.crumbs.replaceChildren(...crumbs.flatMap((one, i) => [i ? "›" : "", crumb(v, one, i === crumbs.length - 1)]));
  v.home = v.tip.textContent = v.tip.title = title;
  roam(v, v.blocks.firstChild, had);
  if (gone) v.crumbs.lastChild.focus({ preventScroll: true });
}

function crumb(v, [name, zoom], here) {
  const made = button(name, here ? name : `Zoom out to ${name}`, () => dive(v, zoom));
  return here ? attrs(made, { "aria-current": "true" }) : made;
}

function dive(v, zoom) {
  v.zoom = zoom;
  ask(v);
}

// One block: level, left and width in shares of the picture, bytes, how many go, kind, label, name, where it leads
// (0: nowhere, 1: to its label).
function block(v, [level, left, width, bytes, freed, kind, label, name, zoom]) {
  const text = inWords(name, bytes, freed, kind);
  const made = attrs(el("div", `l${level} ${kind}`), { role: "button", tabindex: "-1", title: text, "aria-label": text });
  Object.assign(made.style, { left: `${100 * left}%`, width: `max(1px, ${100 * width}%)`, top: `${level * HIGH}px` });
  Object.assign(made.dataset, { label, level });
  if (freed > 0) {
    const part = el("i");
    part.style.width = `${(100 * freed) / bytes}%`;
    made.append(part);
  }
  const room = width * pixels(v);
  const size = kind.endsWith("strip") || room > 6.6 * name.length + 70 ? [" ", el("small", "", human(bytes))] : [];
  if (room > 30) made.append(el("span", "", name, ...size));
  made.onmouseenter = made.onfocus = () => hover(v, label, text);
  made.onmouseleave = made.onblur = () => hover(v, null, "");
  if (zoom) made.onclick = () => dive(v, zoom === 1 ? [label, -1, 0] : zoom);
  else made.setAttribute("aria-disabled", "true");
  return made;
}

function inWords(name, bytes, freed, kind) {
  const goes = freed > 0 ? `, of which ${human(freed)} goes` : "";
  const together = kind.startsWith("several") ? ", goes only if all of them are dropped" : "";
  return `${name}: ${human(bytes)}${goes}${together}`;
}

// One block is in the tab order: the one that the keys are at.
function roam(v, here, focus) {
  for (const one of v.blocks.children) one.tabIndex = one === here ? 0 : -1;
  if (focus) here?.focus({ preventScroll: true });
}

function blockKeys(v, event) {
  const here = event.target;
  const level = +here.dataset.level;
  const centre = here.offsetLeft + here.offsetWidth / 2;
  const on = (wanted) => [...v.blocks.children].filter((one) => +one.dataset.level === wanted);
  const near = (some) => some.find((b) => b.offsetLeft <= centre && centre < b.offsetLeft + b.offsetWidth) ?? some[0];
  const beside = (step) => on(level)[on(level).indexOf(here) + step];
  const keys = {
    ArrowLeft: () => roam(v, beside(-1) ?? here, true),
    ArrowRight: () => roam(v, beside(1) ?? here, true),
    ArrowUp: () => roam(v, near(on(level - 1)) ?? here, true),
    ArrowDown: () => roam(v, near(on(level + 1)) ?? here, true),
    Enter: () => here.click(),
    " ": () => here.click(),
    Escape: () => [...v.crumbs.querySelectorAll("button")].at(-2)?.click(),
  };
  handled(event, keys[event.key]);
}

function hover(v, label, text) {
  v.tip.textContent = v.tip.title = text || v.home;
  for (const one of v.box.querySelectorAll(".row, .blocks > div")) {
    one.classList.toggle("hot", label != null && label !== -1 && one.dataset.label === String(label));
  }
}
