/* All results: filters over the tables that are there already, kept in the address; details on demand. */
document.querySelector(".head").append(themeButton());

const tasks = [...document.querySelectorAll("#scores tbody")].map((body) => ({
  body,
  environment: body.dataset.environment,
  folder: body.dataset.folder,
  rows: [...body.querySelectorAll(".result")].map((row) => ({ row, more: row.nextElementSibling, algorithm: row.dataset.algorithm })),
}));
const speeds = [...document.querySelectorAll("#speed tbody")].map((body) => ({ body, rows: [...body.querySelectorAll(".result")] }));

for (const { row, more } of tasks.flatMap((task) => task.rows)) {
  const name = row.querySelector("th span");
  const button = make("button", { type: "button", "aria-expanded": "false", click: () => {
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  } }, name.textContent);
  name.replaceWith(button);
  more.hidden = true;
}

const asked = new URLSearchParams(location.hash.slice(1));
const chosen = { environment: "", algorithm: "", folder: "" };

/** A list to choose one value of, the first being all of them. */
function choice(name, values) {
  const all = [...new Set(values)].sort();
  if (all.includes(asked.get(name))) chosen[name] = asked.get(name);
  const options = all.map((value) => make("option", { value, selected: value === chosen[name] }, value));
  return make("select", { "aria-label": name, change: (event) => { chosen[name] = event.target.value; show(); } },
    make("option", { value: "" }, `every ${name}`), ...options);
}

const words = make("input", { type: "search", placeholder: "words, such as qmix circuit", "aria-label": "words", value: asked.get("words") ?? "", input: () => show() });
const told = make("output", { class: "soft small" });
const lists = [
  choice("environment", tasks.map((task) => task.environment)),
  choice("algorithm", tasks.flatMap((task) => task.rows.map((one) => one.algorithm))),
  choice("folder", tasks.map((task) => task.folder)),
];
const reset = make("button", { type: "button", click: () => {
  for (const name of Object.keys(chosen)) chosen[name] = "";
  for (const list of lists) list.value = "";
  words.value = "";
  show();
} }, "all");
document.querySelector("nav").after(make("div", { class: "find" }, ...lists, words, reset, told));

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => wanted.every((word) => text.toLowerCase().includes(word));
  let count = 0;
  for (const { body, environment, folder, rows } of tasks) {
    const here = (!chosen.environment || chosen.environment === environment) && (!chosen.folder || chosen.folder === folder);
    let shown = 0;
    for (const { row, more, algorithm } of rows) {
      const fits = here && (!chosen.algorithm || chosen.algorithm === algorithm) && has(`${row.textContent} ${more.textContent} ${environment} ${folder}`);
      row.hidden = !fits;
      const button = row.querySelector("button");
      more.hidden = !fits || button.getAttribute("aria-expanded") === "false";
      shown += fits;
    }
    body.hidden = !shown;
    count += shown;
  }
  for (const { body, rows } of speeds) {
    const file = body.querySelector(".task").textContent;
    for (const row of rows) row.hidden = !has(`${row.textContent} ${file}`);
    body.hidden = rows.every((row) => row.hidden);
  }
  told.textContent = `${count} of ${tasks.flatMap((task) => task.rows).length} results`;
  const kept = Object.entries({ ...chosen, words: words.value }).filter(([, value]) => value);
  history.replaceState(null, "", kept.length ? `#${new URLSearchParams(kept)}` : location.pathname);
}
if (asked.size && !["scores", "speed"].includes(location.hash.slice(1))) show();
else told.textContent = `${tasks.flatMap((task) => task.rows).length} results`;
