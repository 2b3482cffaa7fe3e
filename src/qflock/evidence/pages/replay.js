/* The player of recorded episodes: board, time line, and the numbers behind the agents' choices. */

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const PAUSE = 1000; // milliseconds between the end of an episode and the next one

/** For each step the tiles in view, out of what changed from step to step. */
function unpack(pictures) {
  const rows = Math.ceil(pictures.height / pictures.tile);
  let shown = new Int32Array(rows * pictures.columns);
  return pictures.changes.map((change) => {
    shown = shown.slice();
    for (let i = 0; i < change.length; i += 2) shown[change[i]] = change[i + 1];
    return shown;
  });
}

/**
 * Build a player inside an element.
 * @param root where to; it takes keys while it has the focus, or always with options.global.
 * @param data what evidence/replay.py makes: agents, actions, kind, fps, episodes.
 * @param options global: see above; repeat: it plays by itself, unless motion is to be reduced, and begins again.
 */
function player(root, data, options = {}) {
  const agents = Array.from({ length: data.agents }, (_, i) => i);
  const paint = (agent) => `agent-${agent}`;
  agents.slice(4).forEach((agent) => document.documentElement.style.setProperty(`--agent-${agent}`, agentColour(agent)));
  let episode = null, at = 0, step = 0, speed = 2, playing = false, due = 0, steps = [], image = null, drawn = -1;

  const picture = make("canvas", { class: "picture", role: "img", click: () => toggle() });
  const lanes = make("canvas", { class: "lanes", "aria-hidden": "true" });
  const range = make("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "step", input: () => { pause(); show(+range.value); } });
  const playButton = iconButton("play", "Play (space)", () => toggle(), "primary");
  const speeds = make("select", { "aria-label": "speed", change: () => { speed = +speeds.value; } },
    ...SPEEDS.map((times, i) => make("option", { value: i }, `${times}×`)));
  const choices = make("div", { class: "episodes", role: "group", "aria-label": "episodes" });
  const facts = make("dl", { class: "facts card" });
  const behind = make("div", { class: "behind" });
  const transport = make("div", { class: "transport" },
    iconButton("start", "First step (Home)", () => { pause(); show(0); }),
    iconButton("back", "One step back (←)", () => { pause(); show(step - 1); }),
    playButton,
    iconButton("forward", "One step on (→)", () => { pause(); show(step + 1); }),
    iconButton("end", "Last step (End)", () => { pause(); show(last()); }),
    make("span", { class: "spacer" }),
    make("label", { class: "small soft" }, make("span", {}, "speed"), speeds));
  const controls = make("div", { class: "controls" }, make("div", { class: "strip" }, lanes, range), transport);
  root.classList.add("player");
  root.append(make("div", { class: "board card" }, data.episodes.length > 1 ? choices : null, picture, controls), behind);
  behind.append(facts);

  data.episodes.forEach((one, i) => choices.append(make("button", { type: "button", "aria-pressed": "false", click: () => open(i) },
    `Episode ${i + 1}`, make("small", {}, `${number(one.total, 2)} in ${one.actions.length} steps`))));

  const mixer = mixerPanel();
  const cards = agents.map(agentCard);
  if (mixer) behind.append(mixer.panel);
  behind.append(make("div", { class: "agents" }, ...cards.map((card) => card.panel)));
  const told = {};
  for (const name of ["step", "reward", "return so far", ...Object.keys(data.episodes[0].measures)]) {
    told[name] = make("dd", {});
    facts.append(make("div", {}, make("dt", { title: name }, name.replaceAll("_", " ")), told[name]));
  }

  const last = () => episode.actions.length;

  function mixerPanel() {
    if (!data.episodes.some((one) => one.weights)) return null;
    const shares = agents.map((i) => make("span", {}));
    const values = agents.map(() => make("span", { class: "numbers" }));
    shares.forEach((share, i) => { share.style.background = `var(--${paint(i)})`; });
    const panel = make("section", { class: "mixer card", "aria-label": "mixer weights" },
      make("div", { class: "title" }, make("h3", {}, "Mixer weights"),
        make("span", { class: "soft small" }, "what the team's value gains by each agent's: ∂Q", make("sub", {}, "tot"), "/∂Q", make("sub", {}, "i"))),
      make("div", { class: "shares", "aria-hidden": "true" }, ...shares),
      make("div", { class: "legend" }, ...agents.map((i) => {
        const dot = make("span", { class: "dot" });
        dot.style.background = `var(--${paint(i)})`;
        return make("span", {}, dot, `agent ${i} `, values[i]);
      })));
    return { panel, shares, values };
  }

  function agentCard(agent) {
    const dot = make("span", { class: "dot" });
    dot.style.background = `var(--${paint(agent)})`;
    const chose = make("span", { class: "chose" });
    const panel = make("section", { class: "agent card", role: "group" },
      make("div", { class: "title" }, make("h3", {}, dot, `agent ${agent}`), chose));
    const rows = data.kind ? data.actions.map((name) => {
      const bar = make("div", { class: "bar" });
      bar.style.background = `var(--${paint(agent)})`;
      const value = make("span", { class: "value" });
      return { bar, value, row: make("div", { class: "row" }, make("span", { class: "name", title: name }, name), make("div", { class: "track" }, bar), value) };
    }) : [];
    if (rows.length) panel.append(make("div", { class: "bars", "aria-hidden": "true" }, ...rows.map((row) => row.row)));
    return { panel, chose, rows };
  }

  /** The largest distance between an agent's best and worst value, which a whole bar stands for. */
  function widest(values) {
    let most = 1e-9;
    for (const now of values ?? []) for (const own of now) {
      const known = own.filter((value) => value !== null);
      most = Math.max(most, Math.max(...known) - Math.min(...known));
    }
    return most;
  }

  function open(index) {
    at = index;
    episode = data.episodes[index];
    episode.span ??= widest(episode.values);
    steps = unpack(episode.pictures);
    drawn = -1;
    [...choices.children].forEach((choice, i) => choice.setAttribute("aria-pressed", String(i === index)));
    choices.scrollLeft = (choices.children[index]?.offsetLeft ?? 0) - choices.offsetLeft; // and not the page around a frame
    range.max = last();
    picture.width = episode.pictures.width;
    picture.height = episode.pictures.height;
    load(episode);
    show(0);
  }

  /** Decode an episode's pictures, once. */
  function load(wanted) {
    image = wanted.image ?? null;
    if (image) return;
    const sheet = new Image();
    sheet.src = wanted.pictures.sheet;
    sheet.decode().then(() => { wanted.image = sheet; if (episode === wanted) { image = sheet; drawBoard(); } });
  }

  function show(wanted) {
    step = Math.max(0, Math.min(last(), wanted));
    range.value = step;
    range.setAttribute("aria-valuetext", `step ${step} of ${last()}`);
    root.dataset.step = step;
    root.dataset.episode = at;
    told.step.textContent = `${step} / ${last()}`;
    told.reward.textContent = step ? number(episode.rewards[step - 1], 2) : "–";
    told["return so far"].textContent = number(episode.rewards.slice(0, step).reduce((a, b) => a + b, 0), 2);
    for (const [name, values] of Object.entries(episode.measures)) told[name].textContent = number(values[step], values[step] % 1 ? 3 : 0);
    showAgents();
    showMixer();
    drawBoard();
    drawLanes();
  }

  const drawLanes = () => timeLine(lanes, episode, step, paint);

  function showAgents() {
    const over = step >= last();
    for (const agent of agents) {
      const card = cards[agent];
      const taken = over ? -1 : episode.actions[step][agent];
      const name = over ? "episode over" : Array.isArray(taken) ? taken.map((one) => number(one, 2)).join(", ") : data.actions[taken] ?? String(taken);
      card.chose.textContent = name;
      card.panel.classList.toggle("asleep", !over && !!episode.asleep?.[step]?.includes(agent));
      const own = over ? null : episode.values?.[step][agent];
      if (data.kind === "density") {
        showNumbers(card, agent, over ? null : taken, own, name);
        continue;
      }
      const lowest = own ? Math.min(...own.filter((value) => value !== null)) : 0;
      card.rows.forEach((row, action) => {
        const value = own?.[action] ?? null;
        const share = value === null ? 0 : data.kind === "chance" ? value : (value - lowest) / episode.span;
        row.bar.style.transform = `scaleX(${Math.max(share, 0)})`;
        row.value.textContent = over ? "" : value === null ? "not legal" : data.kind === "chance" ? `${number(100 * value, 1)} %` : number(value);
        row.row.className = `row${action === taken ? " taken" : ""}${value === null && !over ? " illegal" : ""}`;
      });
      const spoken = own ? `: ${own.map((value, i) => (value === null ? null : `${data.actions[i]} ${number(value)}`)).filter(Boolean).join(", ")}` : "";
      card.panel.setAttribute("aria-label", `agent ${agent}, ${over ? name : `takes ${name}`}${spoken}`);
    }
  }

  /** Numbers of a Box: bars for what was done, between the bounds; beside them the policy's mean and deviation. */
  function showNumbers(card, agent, taken, own, name) {
    const words = card.rows.map((row, i) => {
      const [low, high] = data.bounds[i];
      row.bar.style.transform = `scaleX(${taken ? (taken[i] - low) / (high - low) : 0})`;
      row.value.textContent = taken && own ? `${number(taken[i], 2)} of ${number(own[i], 2)} ± ${number(own[i + card.rows.length], 2)}` : "";
      return `${data.actions[i]} ${row.value.textContent}`;
    });
    card.panel.setAttribute("aria-label", `agent ${agent}, ${taken ? `gives ${words.join(", ")}` : name}`);
  }

  function showMixer() {
    if (!mixer) return;
    const weights = episode.weights?.[Math.min(step, last() - 1)];
    mixer.panel.hidden = !weights;
    if (!weights) return;
    const whole = weights.reduce((sum, weight) => sum + Math.abs(weight), 0) || 1; // below 1 a row would stay part empty
    agents.forEach((i) => {
      mixer.shares[i].style.flex = `${Math.abs(weights[i]) / whole || 1e-6} 0 0`;
      mixer.values[i].textContent = number(weights[i]);
    });
  }

  function drawBoard() {
    picture.setAttribute("aria-label", `the board at step ${step} of ${last()}, episode ${at + 1}; click to play or pause`);
    if (!image) return;
    const { tile, columns, sheet_columns: across, changes } = episode.pictures;
    const brush = picture.getContext("2d");
    const place = (where, number) => brush.drawImage(image, (number % across) * tile, Math.floor(number / across) * tile, tile, tile,
      (where % columns) * tile, Math.floor(where / columns) * tile, tile, tile);
    if (drawn >= 0 && step === drawn + 1) {
      for (let i = 0; i < changes[step].length; i += 2) place(changes[step][i], changes[step][i + 1]);
    } else if (step !== drawn) steps[step].forEach((number, where) => place(where, number));
    drawn = step;
  }

  function play() {
    if (step >= last()) show(0);
    playing = true;
    due = performance.now() + wait();
    mark();
    requestAnimationFrame(tick);
  }

  function pause() {
    playing = false;
    mark();
  }

  function toggle() {
    if (playing) pause();
    else play();
  }

  function mark() {
    const name = playing ? "Pause (space)" : "Play (space)";
    root.dataset.playing = playing;
    playButton.replaceChildren(icon(playing ? "pause" : "play"));
    playButton.setAttribute("aria-label", name);
    playButton.title = name;
  }

  const wait = () => 1000 / (data.fps * SPEEDS[speed]);

  function tick(now) {
    if (!playing) return;
    if (!root.isConnected) return pause();
    if (now >= due) {
      if (step < last()) {
        const jump = Math.min(8, 1 + Math.floor((now - due) / wait()));
        show(step + jump);
        due = step < last() ? Math.max(due + jump * wait(), now) : now + PAUSE;
      } else if (options.repeat || at + 1 < data.episodes.length) {
        open((at + 1) % data.episodes.length);
        due = now + wait();
      } else pause();
    }
    if (playing) requestAnimationFrame(tick);
  }

  function changeSpeed(by) {
    speed = Math.max(0, Math.min(SPEEDS.length - 1, speed + by));
    speeds.value = speed;
  }

  function key(event) {
    const on = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (on.tagName === "SELECT" || ((event.key === " " || event.key === "Enter") && on.tagName === "BUTTON")) return;
    const far = event.shiftKey ? 10 : 1;
    const acts = {
      " ": toggle,
      ArrowRight: () => { pause(); show(step + far); }, ArrowLeft: () => { pause(); show(step - far); },
      Home: () => { pause(); show(0); }, End: () => { pause(); show(last()); },
      ArrowDown: () => at + 1 < data.episodes.length && open(at + 1), ArrowUp: () => at > 0 && open(at - 1),
      "[": () => changeSpeed(-1), "]": () => changeSpeed(1),
      d: () => options.global && theme.toggle(), D: () => options.global && theme.toggle(),
    };
    const chosen = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
    if (chosen >= 0 && chosen < data.episodes.length) open(chosen);
    else if (Object.hasOwn(acts, event.key)) acts[event.key]();
    else return;
    event.preventDefault();
  }

  function seek(event) {
    const box = lanes.getBoundingClientRect();
    pause();
    show(Math.round(((event.clientX - box.left - THUMB) / (box.width - 2 * THUMB)) * last()));
  }

  lanes.addEventListener("pointerdown", (event) => { lanes.setPointerCapture(event.pointerId); seek(event); });
  lanes.addEventListener("pointermove", (event) => { if (lanes.hasPointerCapture(event.pointerId)) seek(event); });
  if (!options.global) root.tabIndex = 0;
  (options.global ? document : root).addEventListener("keydown", key);
  document.addEventListener("theme", drawLanes);
  new ResizeObserver(drawLanes).observe(lanes);
  speeds.value = speed;
  open(0);
  mark();
  if (options.repeat && !matchMedia("(prefers-reduced-motion: reduce)").matches) play();
}
