// The tree table: Python has the order, the page only the rows that are seen.
const ROW = 26;
const TALL = 338;
const MAX = 8e6; // pixels: browsers end an element at 16.7 million
const REPO = 1;
const BLOB = 2;
const COLUMNS = [
  ["name", "Name", "Name", true],
  ["alone", "frees alone", "Bytes that go if only this is dropped"],
  ["next", "frees next", "Bytes that go in addition to what is ticked"],
  ["closure", "reaches", "Bytes that it reaches, shared or not"],
  ["modified", "modified", "When it was last changed"],
];

function tableArea(v) {
  v.all = input("checkbox", "Tick all");
  v.all.onclick = () => ask(v, { act: "all", on: v.all.checked, view: { ...v.view } });
  const first = attrs(el("span", "all", v.all), { role: "columnheader" });
  v.cols = attrs(el("div", "cols", first, ...COLUMNS.map((column) => head(v, column))), { role: "row" });
  v.space = attrs(el("div", "space"), { role: "presentation" });
  v.body = attrs(el("div", "body", v.space), { role: "rowgroup" });
  v.grid = attrs(el("div", "grid", v.cols, v.body), {
    role: "treegrid",
    "aria-label": "Repositories, tags and blobs",
    "aria-multiselectable": "true",
    "aria-colcount": COLUMNS.length + 1,
  });
  v.body.addEventListener("scroll", () => scrolled(v), { passive: true });
  v.grid.addEventListener("keydown", (event) => tableKeys(v, event));
  return v.grid;
}

function head(v, [name, text, title]) {
  const made = attrs(el("span", name, button(text, title, () => sortBy(v, name))), { role: "columnheader" });
  made.dataset.column = name;
  return made;
}

function sortBy(v, name) {
  v.view.up = v.view.sort === name ? !v.view.up : name === "name";
  v.view.sort = name;
  v.body.scrollTop = 0;
  ask(v, null, false);
}

// What the page scrolls is at most MAX pixels high: beyond, a pixel stands for several.
const scale = (v) => Math.max(1, ((v.head?.rows ?? 0) * ROW) / MAX);

function wanted(v) {
  const first = Math.max(0, Math.floor((v.body.scrollTop * scale(v)) / ROW) - 6);
  return { start: first, n: Math.ceil((v.body.clientHeight || TALL) / ROW) + 14 };
}

function scrolled(v) {
  cancelAnimationFrame(v.frame);
  v.frame = requestAnimationFrame(() => {
    const { start, n } = wanted(v);
    const has = v.head;
    const outside = start + 4 < has.start || start + n - 8 > has.start + has.n;
    if (outside && has.rows > has.n) ask(v, null, false);
    else if (scale(v) > 1) showRows(v);
  });
}

function showRows(v) {
  const height = v.head.rows * ROW;
  v.space.style.height = `${Math.min(height, MAX)}px`;
  v.body.style.height = `${Math.min(TALL, Math.max(4, v.head.rows) * ROW + 2)}px`;
  const shift = v.body.scrollTop * (scale(v) - 1);
  const had = v.space.contains(active(v));
  const most = Math.max(1, ...v.rows.filter((r) => r.what < BLOB).map((r) => r.alone));
  v.space.replaceChildren(...v.rows.map((r) => row(v, r, r.index * ROW - shift, most)));
  v.grid.setAttribute("aria-rowcount", v.head.rows + 1);
  showHead(v);
  mark(v, had);
}

function showHead(v) {
  const { matching, marked } = v.head;
  v.shown.textContent = `${count(matching, "tag")} match${matching === 1 ? "es" : ""}${marked ? `, ${marked.toLocaleString("en")} ticked` : ""}`;
  v.all.checked = matching > 0 && marked === matching;
  v.all.indeterminate = marked > 0 && marked < matching;
  v.all.disabled = !matching;
  v.all.title = `${v.all.checked ? "Untick" : "Tick"} all ${count(matching, "tag")} that the filters leave`;
  v.all.setAttribute("aria-label", v.all.title);
  for (const cell of v.cols.querySelectorAll("[data-column]")) {
    const sorted = cell.dataset.column === v.view.sort;
    attrs(cell, { "aria-sort": sorted ? (v.view.up ? "ascending" : "descending") : null });
  }
}

function row(v, r, y, most) {
  const state = r.on ? (r.what < BLOB ? " on" : " gone") : "";
  const made = el("div", `row v${r.level}${r.what === REPO ? " repo" : ""}${state}`);
  made.style.transform = `translateY(${y}px)`;
  Object.assign(made.dataset, { label: r.label, index: r.index });
  attrs(made, { role: "row", "aria-rowindex": r.index + 2, "aria-level": r.level + 1 });
  if (r.opens) made.setAttribute("aria-expanded", r.open);
  if (r.what < BLOB) made.setAttribute("aria-selected", r.on);
  made.append(tickCell(v, r), ...(r.what < BLOB ? nameCells(r, most) : [blobCell(r)]));
  for (const cell of made.children) cell.setAttribute("role", "gridcell");
  made.onmouseenter = () => hover(v, r.label, made.title || tipOf(r));
  made.onmouseleave = () => hover(v, null, "");
  made.onclick = (event) => event.target.closest("button, input") || at(v, r.index);
  made.ondblclick = (event) => r.opens && !event.target.closest("button, input") && toggle(v, r);
  return made;
}

function tipOf(r) {
  if (r.what >= BLOB) return r.name.split("\t").slice(0, 2).join(" ");
  return `${r.name}: ${human(r.alone)} alone, ${r.on ? "goes" : `${human(r.next)} next`}`;
}

function tickCell(v, r) {
  const twist = button(r.open ? "▼" : "▶", r.open ? "Close" : "Open", () => toggle(v, r), r.opens ? "twist" : "twist none");
  twist.tabIndex = -1;
  const cell = el("div", "tick", twist);
  if (r.what >= BLOB) return cell;
  const box = input("checkbox", `drop ${r.name}`);
  Object.assign(box, { checked: r.on, indeterminate: r.part, tabIndex: -1 });
  box.onclick = (event) => tick(v, r, box.checked, event.shiftKey);
  cell.append(box);
  return cell;
}

// Tick one row; with shift all from the last ticked one to here, in the order of the table.
function tick(v, r, on, range) {
  const from = range && v.anchor != null ? v.anchor : r.label;
  const act = from === r.label ? { act: "tick", labels: [r.label], on } : { act: "range", from, to: r.label, on, view: { ...v.view } };
  v.anchor = r.label;
  ask(v, act);
}

function nameCells(r, most) {
  const name = el("div", "name", r.name);
  name.title = r.name;
  const also = r.what === REPO ? count(r.number, "tag") : r.number > 0 ? `= ${count(r.number, "other name")}` : "";
  name.append(" ", el("small", "", also));
  const fill = el("i");
  fill.style.width = `${(58 * r.alone) / most}px`;
  const alone = el("div", `n meter${r.alone ? "" : " z"}`, fill, el("span", "", human(r.alone)));
  const next = r.on ? el("div", "n goes", "goes") : bytesCell(r.next, r.next > r.alone ? "more" : "");
  const date = r.modified > 0 ? new Date(r.modified).toISOString().slice(0, 10) : "";
  return [name, alone, next, bytesCell(r.closure, "closure"), el("div", "n modified", date)];
}

const bytesCell = (bytes, cls) => el("div", `n ${cls}${bytes ? "" : " z"}`, human(bytes));

function blobCell(r) {
  const [kind, digest, whose, base] = r.name.split("\t");
  if (r.what > BLOB) return attrs(el("div", "name", el("small", "", r.name)), { "aria-colspan": COLUMNS.length });
  const first = base && base !== whose ? `; smallest image with it: ${base}` : "";
  const why = el("small", r.on ? "goes" : "", r.on ? "goes" : `kept by ${whose}${first}`);
  const short = digest.replace(/^(\w+:\w{12})\w{52,}$/, "$1").replace(/^sha256:(?=\w{12}$)/, "");
  const cell = el("div", "name", `${kind} `, el("code", "", short), ` ${human(r.closure)} `, why);
  cell.title = `${digest}\n${r.closure.toLocaleString("en")} bytes`;
  return attrs(cell, { "aria-colspan": COLUMNS.length });
}

function toggle(v, r) {
  const open = v.view.open;
  v.view.open = r.open ? open.filter((label) => label !== r.label) : [...open, r.label];
  ask(v, null, false);
}

function at(v, index) {
  v.at = index;
  mark(v, true);
}

// One row is in the tab order: the one that the keys are at.
function mark(v, focus) {
  const rows = [...v.space.children];
  const here = rows.find((one) => +one.dataset.index === Math.max(v.at, 0)) ?? rows[0];
  for (const one of rows) {
    one.classList.toggle("at", +one.dataset.index === v.at);
    one.tabIndex = one === here ? 0 : -1;
  }
  if (focus) here?.focus({ preventScroll: true });
}

function tableKeys(v, event) {
  if (!event.target.classList.contains("row")) return;
  v.at = Math.max(v.at, 0);
  const r = v.rows.find((one) => one.index === v.at);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity }[event.key];
  const ticks = r && r.what < BLOB;
  const keys = {
    " ": ticks && (() => tick(v, r, !r.on, event.shiftKey)),
    ArrowRight: r?.opens && !r.open && (() => toggle(v, r)),
    ArrowLeft: r && (() => (r.open ? toggle(v, r) : upFrom(v, r))),
    Enter: ticks && (() => dive(v, [r.label, -1, 0])),
    "/": () => v.find.focus(),
  };
  handled(event, step ? () => move(v, v.at + step) : keys[event.key]);
}

function upFrom(v, r) {
  const above = v.rows.filter((one) => one.index < r.index && one.level < r.level).at(-1);
  if (above) move(v, above.index);
}

function move(v, index) {
  v.at = Math.min(v.head.rows - 1, Math.max(0, index));
  const y = (v.at * ROW) / scale(v);
  if (y < v.body.scrollTop) v.body.scrollTop = y;
  else if (y + ROW > v.body.scrollTop + v.body.clientHeight) v.body.scrollTop = y + ROW - v.body.clientHeight;
  mark(v, true);
}
