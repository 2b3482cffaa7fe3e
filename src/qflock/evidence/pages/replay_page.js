/* The page with one player; with #embed, #embed=dark or #embed=light, the player alone, for a frame in another page. */
const shown = readData();
const place = () => /^#embed(?:=(dark|light))?$/.exec(location.hash);
const embedded = place() !== null;
const root = make("main", {});
document.body.prepend(root);
if (embedded) fit();
else frame();
player(root, shown, { global: true, repeat: embedded });

/** In a frame: no title and no keys, and as dark or light as the page around says. */
function fit() {
  document.body.classList.add("embedded");
  const follow = () => theme.follow(place()?.[1]);
  addEventListener("hashchange", follow);
  follow();
}

/** What stands above and below the player: title, keys, and what the bars are. */
function frame() {
  root.before(make("header", { class: "head" },
    make("div", {}, make("h1", {}, shown.title), make("p", { class: "soft small" }, shown.about)),
    themeButton()));
  const note = { values: "Bars: the action's value above the agent's lowest one at this step.", chance: "Bars: the chance of each action.", density: "Bars: each number between its bounds, beside the policy's mean ± deviation." }[shown.kind];
  document.body.append(make("p", { class: "keys soft small" },
    make("kbd", {}, "space"), " play  ", make("kbd", {}, "←"), " ", make("kbd", {}, "→"), " step  ", make("kbd", {}, "shift"), " ten  ",
    make("kbd", {}, "["), " ", make("kbd", {}, "]"), " speed  ", make("kbd", {}, "1"), "–", make("kbd", {}, "9"), " episode  ",
    make("kbd", {}, "D"), " light or dark"));
  if (note) document.body.append(make("p", { class: "soft small" }, note));
}
