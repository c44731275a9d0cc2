// The explorer: one widget, drawn from what Python sends. No library, no network.
const active = (v) => v.box.getRootNode().activeElement;

function handled(event, action) {
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}

function newView(model) {
  return {
    model,
    id: Math.random().toString(36).slice(2),
    view: { search: "", sort: "alone", up: false, flat: false, open: [], older: null, keep: null, only: false },
    acts: [],
    seq: 0,
    answered: 0,
    at: -1,
    zoom: null,
    home: "",
    wish: "",
  };
}

function build(v) {
  v.box = attrs(el("div", "bkx"), { role: "group", "aria-label": "What if these tags were deleted" });
  v.box.dataset.lmSuppressShortcuts = "true"; // keys stay here: JupyterLab has its own
  goalBox(v);
  v.code = el("div", "code");
  v.code.hidden = true;
  v.shown = el("span");
  const areas = [resultArea(v), pictureArea(v), filterArea(v), tableArea(v), v.code, el("div", "foot", v.shown, help())];
  v.box.append(...areas);
  v.box.addEventListener("keydown", (event) => undoKeys(v, event));
}

function help() {
  const keys = [["↑↓", "move"], ["←→", "open"], ["space", "tick"], ["shift+space", "tick to here"], ["enter", "zoom"], ["/", "find"]];
  return el("span", "long", "keys:", ...keys.flatMap(([key, what]) => [" ", el("kbd", "", key), ` ${what}`]));
}

function undoKeys(v, event) {
  const typing = event.target.tagName === "INPUT" && event.target.type !== "checkbox";
  if (!(event.ctrlKey || event.metaKey) || typing) return;
  const keys = { z: event.shiftKey ? "redo" : "undo", y: "redo" };
  const act = keys[event.key.toLowerCase()];
  handled(event, act && (() => ask(v, { act })));
}

const THEMES = ["data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind", "class"];

// Watch the theme and the width; return what stops it.
function watch(v) {
  const dress = () => v.box.classList.toggle("dark", isDark(v.box));
  const themes = new MutationObserver(dress);
  for (const node of [document.body, document.documentElement]) themes.observe(node, { attributes: true, attributeFilter: THEMES });
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (Math.abs(v.blocks.clientWidth - width) <= 8) return;
    width = v.blocks.clientWidth;
    dress();
    ask(v);
  });
  sizes.observe(v.blocks);
  dress();
  return () => [themes, sizes].forEach((one) => one.disconnect());
}

function render({ model, el: root }) {
  const v = newView(model);
  build(v);
  Object.assign(root.style, { flexGrow: 1, minWidth: 0 }); // in a row of boxes it takes what is free
  root.append(v.box);
  const heard = (message, buffers) => receive(v, message, buffers);
  model.on("msg:custom", heard);
  const stop = watch(v); // asks as soon as the width is known
  setTimeout(() => v.seq || ask(v), 300);
  return () => {
    stop();
    clearTimeout(v.timer);
    model.off("msg:custom", heard);
  };
}

export default { render };
