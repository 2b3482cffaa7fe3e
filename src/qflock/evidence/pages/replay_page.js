/* The page with one player. */
const shown = readData();
const root = make("main", {});
document.body.prepend(
  make("header", { class: "head" },
    make("div", {}, make("h1", {}, shown.title), make("p", { class: "soft small" }, shown.about)),
    themeButton()),
  root);
player(root, shown, { global: true });
const note = { values: "Bars: the action's value above the agent's lowest one at this step.", chance: "Bars: the chance of each action.", density: "Bars: each number between its bounds, beside the policy's mean ± deviation." }[shown.kind];
document.body.append(make("p", { class: "keys soft small" },
  make("kbd", {}, "space"), " play  ", make("kbd", {}, "←"), " ", make("kbd", {}, "→"), " step  ", make("kbd", {}, "shift"), " ten  ",
  make("kbd", {}, "["), " ", make("kbd", {}, "]"), " speed  ", make("kbd", {}, "1"), "–", make("kbd", {}, "9"), " episode  ",
  make("kbd", {}, "D"), " light or dark"));
if (note) document.body.append(make("p", { class: "soft small" }, note));
