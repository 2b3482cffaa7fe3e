/* The live page: what is chosen, what is asked for, and where it is shown. Nothing is ever sent but questions. */
const setup = readData();
const told = make("p", { class: "soft small", role: "status" });
const search = make("input", { type: "search", placeholder: "find: name, state, algorithm, environment", "aria-label": "find runs", input: () => table() });
const notes = make("p", { class: "soft small" });
const runsPlace = make("div"), chartsPlace = make("div"), chosenPlace = make("div"), replayPlace = make("div");
const picked = make("span", { class: "soft small" });
const metricPicker = make("select", { "aria-label": "what the curves show", change: () => { metric = metricPicker.value; versions.curves = ""; look(); } });
const reportLink = make("a", { target: "_blank", rel: "noreferrer" }, "compare the finished ones in a report");
const section = (id, title, ...contents) => make("section", { id }, make("h2", {}, title), ...contents);
document.body.prepend(
  make("header", { class: "head" }, make("div", {}, make("h1", {}, setup.folder), told), themeButton()),
  make("main", {},
    section("runs", "Runs", make("div", { class: "find" }, search, picked), runsPlace, notes),
    section("curves", "Curves", make("div", { class: "acts" }, metricPicker), chartsPlace),
    section("chosen", "Chosen runs", make("div", { class: "acts" }, reportLink), chosenPlace),
    section("replay", "Replay", replayPlace)));
document.querySelector("#replay").hidden = true;

let metric = "return", runs = [], ticked = new Set(new URLSearchParams(location.hash.slice(1)).getAll("run")), untouched = !ticked.size;
const versions = { runs: "", curves: "" };
const drawn = new Map();

const showRows = runTable(runsPlace, (key, wanted) => {
  untouched = false;
  if (wanted && ticked.size >= setup.most) {
    picked.textContent = `at most ${setup.most} runs at a time; untick one first`;
    return false;
  }
  if (wanted) ticked.add(key);
  else ticked.delete(key);
  history.replaceState(null, "", `#${new URLSearchParams([...ticked].map((one) => ["run", one]))}`);
  versions.curves = "";
  table();
  look();
  return wanted;
});

/** What the server answers, null where the page has it already. */
async function ask(what, query, have) {
  const answer = await fetch(`${what}?${new URLSearchParams([...query, ["have", have]])}`, { cache: "no-store" });
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function table() {
  const shown = showRows(runs, ticked, search.value);
  picked.textContent = `${shown} shown, ${ticked.size} chosen`;
}

/** The runs that are chosen, in the order of their colours. */
const chosen = () => [...ticked].map((key) => runs.find((run) => run.key === key)).filter(Boolean);

/** Before anybody chooses: what trains now, else the newest run. */
function choose() {
  if (!untouched) {
    ticked = new Set([...ticked].filter((key) => runs.some((run) => run.key === key)));
    return;
  }
  const training = runs.filter((run) => run.state === "training").slice(0, setup.most);
  const first = training.length ? training : runs.filter((run) => run.state !== "damaged").slice(0, 1);
  if (first.length) ticked = new Set(first.map((run) => run.key));
}

let busy = false, again = false;
async function look() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const list = await ask("runs", [], versions.runs);
    if (list) {
      versions.runs = list.version;
      runs = list.data.runs;
      const training = runs.filter((run) => run.state === "training").length;
      told.textContent = `${list.data.count} runs, ${training} training now`;
      notes.textContent = runs.length ? list.data.notes.join(" · ") : "There is no run here yet. In a terminal: qflock train qmix --env gridworld25";
      choose();
      table();
      details();
    }
    await curves();
    told.classList.remove("lost");
  } catch (problem) {
    told.classList.add("lost");
    told.textContent = problem instanceof TypeError ? "qflock dash does not answer; is it still running?" : problem.message;
    versions.runs = versions.curves = "";
  }
  busy = false;
  if (again) { again = false; look(); }
}

async function curves() {
  const keys = chosen().map((run) => ["run", run.key]);
  if (!keys.length) {
    chartsPlace.replaceChildren(make("p", { class: "soft" }, "Tick runs above to see their curves."));
    drawn.clear();
    details();
    return;
  }
  const found = await ask("curves", [...keys, ["metric", metric]], versions.curves);
  if (!found) return;
  versions.curves = found.version;
  const names = found.data.metrics.map((one) => one.name);
  if (names.join() !== [...metricPicker.options].map((one) => one.value).join()) {
    metricPicker.replaceChildren(...found.data.metrics.map((one) => make("option", { value: one.name }, one.word)));
  }
  metricPicker.value = metric;
  const ids = new Set();
  for (const chart of found.data.charts) {
    const id = `${chart.title}|${chart.data.y}`;
    ids.add(id);
    if (!drawn.has(id)) drawn.set(id, place(chart));
    drawn.get(id).show(chart);
  }
  for (const id of [...drawn.keys()]) if (!ids.has(id)) drawn.delete(id);
  const wanted = [...drawn.values()].map((one) => one.around);
  if (wanted.some((one, at) => chartsPlace.children[at] !== one) || wanted.length !== chartsPlace.children.length) chartsPlace.replaceChildren(...wanted);
  details();
}

function place(chart) {
  const root = make("div", { class: "chart", "aria-label": `${chart.data.y} on ${chart.title}` });
  const waiting = make("p", { class: "soft small" });
  let update = null;
  return { around: make("div", {}, make("h3", {}, chart.title), root, waiting), show(newer) {
    const lines = newer.data.series.some((one) => one.seeds.length) ? ["The line is the mean over seeds, the band from the lowest to the highest."] : [];
    if (newer.waiting.length) lines.push(`Nothing logged yet: ${newer.waiting.join(", ")}.`);
    waiting.textContent = [...lines, newer.note].filter(Boolean).join(" ");
    root.hidden = !newer.data.series.length;
    if (root.hidden) return;
    if (update) update(newer.data);
    else update = lineChart(root, newer.data);
  } };
}

const cards = new Map();

function details() {
  const many = chosen(), finished = many.filter((run) => run.state === "finished");
  reportLink.hidden = finished.length < 1;
  reportLink.textContent = finished.length > 1 ? `compare the ${finished.length} finished ones in a report` : "the report of the finished one";
  reportLink.href = `report?${new URLSearchParams(finished.map((run) => ["run", run.key]))}`;
  many.forEach((run, at) => {
    if (!cards.has(run.key)) cards.set(run.key, card(run.key));
    cards.get(run.key).show(run, at);
  });
  const wanted = many.map((run) => cards.get(run.key).around);
  if (wanted.some((one, at) => chosenPlace.children[at] !== one) || wanted.length !== chosenPlace.children.length) chosenPlace.replaceChildren(...wanted);
}

function card(key) {
  const dot = make("span", { class: "dot" }), name = make("span"), score = make("p", { class: "small" }), lines = make("div");
  const button = make("button", { type: "button", click: () => replay(key) }, "replay its newest weights");
  let before = "";
  const around = make("div", { class: "one" }, make("h3", {}, dot, name), score, make("div", { class: "acts" }, button), lines);
  return { around, show(run, at) {
    dot.style.background = methodColour(at);
    name.textContent = run.name;
    const beside = [run.random === null ? "" : `random ${number(run.random)}`, run.best ? `${run.best.name} ${number(run.best.score)}` : ""].filter(Boolean).join(", ");
    const value = run.score === null ? "no score yet" : `discounted return ${number(run.score)}${run.final ? "" : " so far"}`;
    score.textContent = `${run.algorithm} on ${run.environment}, ${run.state}, ${quantity(run.steps)} of ${quantity(run.total)} steps: ${value}${beside ? ` (${beside})` : ""}${run.verdict ? `; ${run.verdict}` : ""}${run.problem ? `; ${run.problem}` : ""}`;
    button.hidden = run.state === "damaged";
    if (JSON.stringify(run.commands) === before) return;
    before = JSON.stringify(run.commands);
    lines.replaceChildren(...run.commands.flatMap((one) => [
      make("p", { class: "soft small" }, one.what),
      copyable(make("pre", { class: "command", tabindex: 0 }, make("code", {}, one.command)))]));
  } };
}

let wantedReplay = 0;
async function replay(key) {
  const mine = ++wantedReplay, run = runs.find((one) => one.key === key);
  document.querySelector("#replay").hidden = false;
  replayPlace.replaceChildren(make("p", { role: "status" }, `playing an episode of ${run?.name}; this takes some seconds`));
  document.querySelector("#replay").scrollIntoView();
  let shown;
  try {
    const made = (await ask("replay", [["run", key]], "")).data, root = make("div");
    shown = [make("h3", {}, made.title), make("p", { class: "soft small" }, made.about), root];
    if (mine !== wantedReplay) return;
    replayPlace.replaceChildren(...shown);
    player(root, made);
  } catch (problem) {
    if (mine === wantedReplay) replayPlace.replaceChildren(make("p", { class: "lost", role: "alert" }, problem.message));
  }
}

look();
setInterval(() => { if (!document.hidden) look(); }, 1000 * setup.seconds);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "d" && !event.ctrlKey && !event.metaKey && event.target !== search) theme.toggle();
});
