// The sentence, the bar, the notes and the chips: Python writes the words, this draws them.
function resultArea(v) {
  v.say = attrs(el("div", "say"), { role: "status", "aria-live": "polite" });
  const act = (name) => () => ask(v, { act: name });
  v.undo = button("Undo", "Undo (Ctrl+Z)", act("undo"));
  v.redo = button("Redo", "Redo (Ctrl+Shift+Z)", act("redo"));
  v.clear = button("Clear", "Untick everything", act("clear"));
  v.script = button("Script", "The commands that do it, to read and run", act("script"));
  const code = button("Code", "The call that gives the same answer", act("code"));
  const tools = el("div", "tools", v.undo, v.redo, v.clear, code, v.script);
  v.caption = el("div", "caption");
  v.bar = attrs(el("div", "bar"), { "aria-hidden": "true" });
  v.key = el("div", "key");
  v.note = el("div", "note");
  v.trouble = attrs(el("div", "trouble"), { role: "alert" });
  return el("div", "head", el("div", "top", v.say, tools), v.caption, v.bar, v.key, v.trouble, v.note);
}

function showTrouble(v, text) {
  v.trouble.textContent = text;
}

function showResult(v, result) {
  v.say.replaceChildren(...strong(result.say));
  v.say.classList.toggle("idle", !result.ticked);
  v.say.classList.toggle("long", v.say.textContent.length > 110);
  v.say.title = result.title;
  v.caption.textContent = v.caption.title = result.caption;
  v.undo.disabled = !result.undo;
  v.redo.disabled = !result.redo;
  v.clear.disabled = v.script.disabled = !result.ticked;
  v.box.classList.toggle("empty", result.empty);
  showBar(v, result);
  showNotes(v, result);
  if (result.ages) showAges(v, result.ages);
}

function showBar(v, { parts, total, goal }) {
  const share = (bytes) => `${Math.min(100, (100 * bytes) / Math.max(1, total))}%`;
  const segments = parts.map(([cls, bytes, text]) => {
    const segment = el("i", cls);
    Object.assign(segment.style, { width: share(bytes), minWidth: bytes > 0 ? "2px" : "0" });
    segment.title = text;
    return segment;
  });
  if (goal) {
    const line = el("u");
    line.style.left = share(goal);
    segments.push(line);
  }
  v.bar.replaceChildren(...segments);
  v.key.replaceChildren(...parts.filter(([, bytes]) => bytes > 0).map(([cls, , text]) => el("span", cls, text)), v.goal);
}

function showNotes(v, { notes, chips }) {
  const had = v.note.contains(active(v));
  const lines = notes.map(([cls, text]) => el("span", cls, text));
  const adds = chips.map(({ text, title, act }) => {
    const chip = button("", title, () => ask(v, act), "chip");
    chip.append(...strong(text));
    return chip;
  });
  v.note.replaceChildren(...lines, ...adds);
  if (had) (adds[0] ?? v.find).focus({ preventScroll: true });
}

function goalBox(v) {
  const goal = input("text", "Goal: bytes to free, such as 20 GiB");
  goal.placeholder = "20 GiB";
  goal.maxLength = 40;
  const set = () => ask(v, { act: "goal", text: (v.wish = goal.value) });
  goal.onchange = () => goal.value === v.wish || set();
  goal.onkeydown = (event) => event.key === "Enter" && handled(event, set);
  v.goal = el("label", "goal", "goal", goal);
  v.goal.title = "Bytes to free: the bar shows the line, and a chip the fewest tags that reach it";
}

function showCode(v, text, what) {
  const pre = attrs(el("pre", "", text), { tabindex: "0", "aria-label": what });
  const copy = button("Copy", "Copy to the clipboard", () => copied(v, pre, copy));
  const close = button("Close", "Close", () => {
    v.code.hidden = true;
    v.find.focus({ preventScroll: true });
  });
  v.code.replaceChildren(el("div", "tools", copy, close), pre);
  Object.assign(v.code, { hidden: false }).dataset.what = what;
}

async function copied(v, pre, copy) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    copy.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(pre);
    copy.textContent = "Selected: Ctrl+C";
  }
}
