// Words, figures and elements. Text reaches the page by textContent only: names are untrusted.
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DAY = 86400e3;

// Bytes for people, as blobkit.render.human_bytes: a tie is rounded to the even digit.
function human(bytes) {
  let unit = 0;
  while (unit < 5 && bytes >= (unit ? 1023.95 : 1024)) {
    bytes /= 1024;
    unit += 1;
  }
  const low = Math.floor(bytes * 10);
  const rest = bytes * 10 - low;
  const up = rest > 0.5 || (rest === 0.5 && low % 2);
  return unit ? `${((low + (up ? 1 : 0)) / 10).toFixed(1)} ${UNITS[unit]}` : `${bytes} B`;
}

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

// One element; `kids` are elements or texts.
function el(tag, cls, ...kids) {
  const made = document.createElement(tag);
  if (cls) made.className = cls;
  made.append(...kids);
  return made;
}

function attrs(node, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value == null) node.removeAttribute(name);
    else node.setAttribute(name, value);
  }
  return node;
}

function button(text, title, click, cls) {
  const made = el("button", cls, text);
  made.type = "button";
  made.title = title;
  made.onclick = click;
  return made;
}

function input(type, label, cls) {
  const made = el("input", cls);
  made.type = type;
  made.setAttribute("aria-label", label);
  return made;
}

// A strong part in a text: [before, strong, after].
const strong = ([before, bold, after]) => [before, el("b", "", bold), after];

// The colour behind the text decides, whatever the host calls its theme.
function isDark(node) {
  const theme = document.body.dataset.jpThemeLight;
  if (theme) return theme === "false";
  const parts = getComputedStyle(node).color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0];
  const scale = getComputedStyle(node).color.startsWith("rgb") ? 1 : 255;
  return scale * (0.3 * parts[0] + 0.59 * parts[1] + 0.11 * parts[2]) > 140;
}
