/* The table of runs: rows stay the same elements while their cells change, so that nothing jumps under a finger. */

/** Bytes for people. */
function bytes(count) {
  const power = Math.min(4, Math.floor(Math.log(Math.max(count, 1)) / Math.log(1024)));
  return `${+(count / 1024 ** power).toPrecision(3)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/**
 * A table of runs inside an element.
 * @param chosen hears of a key and whether it is ticked; answers whether that may be.
 * @returns a function that shows rows, ticked where a set has their key, that contain a text.
 */
function runTable(root, chosen) {
  const heads = ["run", "state", "steps", "score", "random", "best reference", "seeds", "size", "begun"];
  const body = make("tbody");
  root.append(make("div", { class: "scroll runs", tabindex: 0, role: "region", "aria-label": "runs" },
    make("table", { "aria-label": "runs" },
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col", class: head === "score" ? "score" : null }, head)))), body)));
  const rows = new Map();

  function row(key) {
    const box = make("input", { type: "checkbox", change: () => { box.checked = chosen(key, box.checked); } });
    const name = make("span"), problem = make("small", { class: "problem" });
    const state = make("span"), share = make("meter", { min: 0, max: 1 }), steps = make("small");
    const cells = heads.slice(3).map((head) => make("td", { class: head === "score" ? "score" : null }));
    const line = make("tr", {}, make("th", { scope: "row" }, make("label", {}, box, make("span", {}, name, problem))),
      make("td", {}, state), make("td", {}, share, steps), ...cells);
    const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
    return { line, show(run, ticked) {
      box.checked = ticked;
      write(name, run.name);
      write(problem, run.problem ?? "");
      write(state, run.state);
      state.className = `state ${run.state}`;
      share.value = run.total ? Math.min(1, run.steps / run.total) : 0;
      share.setAttribute("aria-label", `${run.steps} of ${run.total} steps`);
      write(steps, run.state === "finished" ? quantity(run.steps) : `${quantity(run.steps)} of ${quantity(run.total)}`);
      const best = run.best ? `${run.best.name === "oracle" ? "" : `${run.best.name} `}${number(run.best.score)}` : "–";
      const score = run.score === null ? "–" : `${number(run.score)}${run.final ? "" : " so far"}`;
      [score, number(run.random), best, String(run.seeds), bytes(run.size), run.begun].forEach((text, at) => write(cells[at], text));
    } };
  }

  return (runs, ticked, text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (run) => words.every((word) => `${run.name} ${run.state} ${run.algorithm} ${run.environment}`.toLowerCase().includes(word));
    const shown = runs.filter(fits);
    for (const run of shown) {
      if (!rows.has(run.key)) rows.set(run.key, row(run.key));
      rows.get(run.key).show(run, ticked.has(run.key));
    }
    const wanted = shown.map((run) => rows.get(run.key).line);
    if (wanted.length !== body.children.length || wanted.some((line, at) => body.children[at] !== line)) body.replaceChildren(...wanted);
    return shown.length;
  };
}
