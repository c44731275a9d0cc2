// The filters of the table: search, age, newest images, flat, ticked only.
const TYPING = 150;

function filterArea(v) {
  v.find = input("search", "Find tags", "find");
  v.find.placeholder = "Find: web, *-rc*, a/*:1.?";
  v.find.maxLength = 1000;
  v.older = numberBox("older than, in days");
  const keep = numberBox("spare the newest images of each repository");
  const [flat, only] = [input("checkbox", "flat"), input("checkbox", "ticked only")];
  typed(v, v.find, () => (v.view.search = v.find.value));
  typed(v, v.older, () => (v.view.older = whole(v.older)));
  typed(v, keep, () => (v.view.keep = whole(keep)));
  typed(v, flat, () => (v.view.flat = flat.checked));
  typed(v, only, () => (v.view.only = only.checked));
  v.find.addEventListener("keydown", (event) => findKeys(v, event));
  v.ages = attrs(el("div", "ages"), { "aria-hidden": "true" });
  const older = el("label", "", "older than", v.older, "days");
  const spare = el("label", "", "spare the newest", keep);
  spare.title = "Images of each repository: all names of the newest ones stay";
  return el("div", "filters", v.find, v.ages, older, spare, el("label", "", flat, "flat"), el("label", "", only, "ticked only"));
}

function numberBox(label) {
  return Object.assign(input("number", label), { min: 0, max: 99999, step: 1 });
}

const whole = (box) => (/^\d{1,5}$/.test(box.value) ? +box.value : null);

function typed(v, box, change) {
  box.addEventListener("input", () => {
    clearTimeout(v.typing);
    v.typing = setTimeout(
      () => {
        change();
        v.body.scrollTop = 0;
        Object.assign(v, { at: -1, anchor: null });
        ask(v, null, false);
      },
      box.type === "checkbox" ? 0 : TYPING,
    );
  });
}

function findKeys(v, event) {
  if (event.key === "ArrowDown" || event.key === "Enter") handled(event, () => at(v, 0));
}

// A bar for each step of age, as high as what its tags free alone; a click asks for what is older.
function showAges(v, ages) {
  const most = Math.max(1, ...ages.map(([, bytes]) => bytes));
  v.ages.replaceChildren(
    ...ages.map(([days, bytes, text]) => {
      const fill = el("i");
      fill.style.height = `${Math.max(bytes ? 6 : 0, (100 * bytes) / most)}%`;
      const made = el("div", "", fill);
      made.title = text;
      made.onclick = () => {
        v.older.value = days || "";
        v.older.dispatchEvent(new Event("input"));
      };
      return made;
    }),
  );
}
