/* Curves with bands that can be hovered and zoomed: by drag, by buttons and by keys. */

const EDGE = { left: 46, right: 12, top: 26, bottom: 38 };
const DASHES = ["none", "7 3", "2 2.5"];

/** Round numbers between two ends, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const size = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * size).find((one) => one >= rough * 0.999) ?? rough;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(at * step);
  return found;
}

/** A tick's number, with as many digits as tell its neighbours apart. */
function tickLabel(value, step) {
  if (Math.abs(value) >= 1e4 || step >= 1e3) return value === 0 ? "0" : quantity(value).replace("-", "−");
  const digits = [0, 1, 2, 3, 4, 5].find((places) => Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6);
  return number(value, digits ?? 6);
}

/** Where x would stand in rising numbers. */
function nearest(xs, x) {
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}

const methodColour = (look) => `var(--method-${look % 6})`;
const dash = (look) => DASHES[Math.floor(look / 6) % DASHES.length];

/** The ends of the x axis when all is shown. */
function wholeOf(data) {
  const known = data.series.flatMap((one) => one.x);
  return { x0: data.zero ? Math.min(0, ...known) : Math.min(...known), x1: Math.max(...known) };
}

/**
 * Draw curves inside an element.
 * @param data what evidence/report/charts.py makes: x and y labels, series, lines to compare with.
 * @returns a function that draws newer data of the same sort in their place; what is zoomed stays so.
 */
function lineChart(root, data) {
  const off = new Set();
  let whole = wholeOf(data), view = { ...whole }, eachSeed = false, hover = null, scale = null, from = null;

  const tip = make("div", { class: "tip", hidden: "" });
  const svg = make("svg", { tabindex: 0, role: "img" });
  const label = () => svg.setAttribute("aria-label", `${root.getAttribute("aria-label") ?? data.y}: ${data.series.map((one) => one.name).join(", ")}; arrow keys read values, plus and minus zoom`);
  const tools = make("div", { class: "tools" });
  const buttons = () => tools.replaceChildren(...[
    ...data.series.map((one) => {
      const dot = make("span", { class: "dot" });
      dot.style.background = methodColour(one.look);
      const button = make("button", { type: "button", "aria-pressed": String(!off.has(one.name)), click: () => {
        if (off.has(one.name)) off.delete(one.name);
        else off.add(one.name);
        button.setAttribute("aria-pressed", String(!off.has(one.name)));
        draw();
      } }, dot, brief(one.name));
      return button;
    }),
    make("span", { class: "spacer" }),
    data.series.some((one) => one.seeds.length > 1) ? make("button", { type: "button", "aria-pressed": String(eachSeed), click: (event) => {
      eachSeed = !eachSeed;
      event.currentTarget.setAttribute("aria-pressed", String(eachSeed));
      draw();
    } }, "each seed") : null,
    make("button", { type: "button", class: "icon", "aria-label": "zoom out", click: () => zoom(2) }, "−"),
    make("button", { type: "button", class: "icon", "aria-label": "zoom in", click: () => zoom(0.5) }, "+"),
    make("button", { type: "button", class: "reset", click: () => reset() }, "all"),
  ].filter(Boolean));
  root.append(tools, svg, tip);
  buttons();
  label();

  const visible = () => data.series.filter((one) => !off.has(one.name));
  const zoomed = () => view.x0 !== whole.x0 || view.x1 !== whole.x1 || view.y0 !== undefined;

  /** The ends of the y axis: all that is in view, and the reference lines while nothing is zoomed. */
  function heights() {
    if (view.y0 !== undefined) return [view.y0, view.y1];
    const seen = zoomed() ? [] : data.lines.map((line) => line.value);
    const inside = (x) => x >= view.x0 && x <= view.x1;
    for (const one of visible()) {
      one.x.forEach((x, i) => inside(x) && seen.push(one.y[i], one.low[i], one.high[i]));
      if (eachSeed) for (const seed of one.seeds) seed.x.forEach((x, i) => inside(x) && seen.push(seed.y[i]));
    }
    const numbers = seen.filter((value) => value !== null && value !== undefined);
    const low = Math.min(...numbers), high = Math.max(...numbers);
    const pad = 0.06 * (high - low || Math.abs(high) || 1);
    return numbers.length ? [low - pad, high + pad] : [0, 1];
  }

  function path(xs, ys) {
    let pen = "M";
    return xs.map((x, i) => {
      if (ys[i] === null) { pen = "M"; return ""; }
      const part = `${pen}${scale.x(x).toFixed(1)} ${scale.y(ys[i]).toFixed(1)}`;
      pen = "L";
      return part;
    }).join("");
  }

  function band(one) {
    const at = one.x.map((_, i) => i).filter((i) => one.low[i] !== null && one.high[i] !== null);
    if (at.length < 2) return null;
    const side = (places, ys) => places.map((i) => `${scale.x(one.x[i]).toFixed(1)} ${scale.y(ys[i]).toFixed(1)}`).join("L");
    return `M${side(at, one.high)}L${side([...at].reverse(), one.low)}Z`;
  }

  function line(className, x1, y1, x2, y2) {
    return make("line", { class: className, x1, y1, x2, y2 });
  }

  function draw() {
    const wide = root.clientWidth, high = Math.round(Math.max(230, Math.min(360, wide * 0.42)));
    if (!wide) return;
    const [y0, y1] = heights();
    const right = wide - EDGE.right, bottom = high - EDGE.bottom;
    scale = {
      x: (x) => EDGE.left + ((x - view.x0) / (view.x1 - view.x0 || 1)) * (right - EDGE.left),
      y: (y) => bottom - ((y - y0) / (y1 - y0 || 1)) * (bottom - EDGE.top),
      back: (px) => view.x0 + ((px - EDGE.left) / (right - EDGE.left)) * (view.x1 - view.x0),
      up: (py) => y0 + ((bottom - py) / (bottom - EDGE.top)) * (y1 - y0),
    };
    root.dataset.x0 = view.x0;
    root.dataset.x1 = view.x1;
    svg.setAttribute("height", high);
    svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    const clip = `clip-${lineChart.count = (lineChart.count ?? 0) + 1}`;
    const axes = make("g", {}), names = make("g", {}), inside = make("g", { "clip-path": `url(#${clip})` });
    const ys = ticks(y0, y1, 5), xs = ticks(view.x0, view.x1, wide < 500 ? 4 : 7);
    for (const y of ys) {
      axes.append(line("grid", EDGE.left, scale.y(y), right, scale.y(y)),
        make("text", { x: EDGE.left - 7, y: scale.y(y) + 4, "text-anchor": "end" }, tickLabel(y, ys[1] - ys[0] || 1)));
    }
    for (const x of xs) axes.append(make("text", { x: scale.x(x), y: bottom + 17, "text-anchor": "middle" }, tickLabel(x, xs[1] - xs[0] || 1)));
    axes.append(make("text", { x: right, y: high - 4, "text-anchor": "end" }, data.x), make("text", { x: 2, y: 11 }, data.y));
    let above = Infinity;
    for (const one of [...data.lines].sort((a, b) => a.value - b.value)) {
      const y = scale.y(one.value);
      if (y < EDGE.top - 1 || y > bottom + 1) continue;
      inside.append(line("reference", EDGE.left, y, right, y));
      if (above - y > 13) {
        names.append(make("text", { x: right - 2, y: y - 4, "text-anchor": "end" }, `${brief(one.name)} ${number(one.value)}`));
        above = y;
      }
    }
    for (const one of visible()) {
      const stroke = methodColour(one.look), shape = band(one);
      if (shape) inside.append(styled(make("path", { class: "band", d: shape }), { fill: stroke }));
      if (eachSeed) for (const seed of one.seeds) inside.append(styled(make("path", { class: "seed", d: path(seed.x, seed.y) }), { stroke }));
      inside.append(styled(make("path", { class: "curve", d: path(one.x, one.y), "stroke-dasharray": dash(one.look) }), { stroke }));
    }
    const rect = { x: EDGE.left, y: EDGE.top - 6, width: Math.max(1, right - EDGE.left), height: bottom - EDGE.top + 6 };
    svg.replaceChildren(make("defs", {}, make("clipPath", { id: clip }, make("rect", rect))), axes, inside, names, make("g", { class: "over" }), make("rect", { class: "surface", ...rect }));
    point();
  }

  function styled(node, style) {
    Object.assign(node.style, style);
    return node;
  }

  /** The cross at the hovered step and its numbers. */
  function point() {
    const over = svg.querySelector(".over");
    over?.replaceChildren();
    tip.hidden = hover === null || !visible().length;
    if (tip.hidden || !over) return;
    const rows = visible().map((one) => ({ one, i: nearest(one.x, hover) }));
    const closest = rows.reduce((a, b) => (Math.abs(b.one.x[b.i] - hover) < Math.abs(a.one.x[a.i] - hover) ? b : a));
    const x = closest.one.x[closest.i], px = scale.x(x);
    over.append(line("cross", px, EDGE.top, px, Number(svg.getAttribute("height")) - EDGE.bottom));
    tip.replaceChildren(make("b", {}, `${data.zero ? quantity(x) : number(x)} ${data.zero ? data.x : ""}`));
    for (const { one, i } of rows) {
      const dot = styled(make("span", { class: "dot" }), { background: methodColour(one.look) });
      const ends = one.low[i] === null ? "" : ` (${number(one.low[i])} to ${number(one.high[i])})`;
      tip.append(make("div", {}, dot, `${brief(one.name)} ${number(one.y[i])}${ends}`));
      if (one.y[i] !== null) over.append(styled(make("circle", { cx: scale.x(one.x[i]), cy: scale.y(one.y[i]), r: 3.5 }), { fill: methodColour(one.look) }));
    }
    const wide = root.clientWidth, room = px + 14 + tip.offsetWidth < wide;
    tip.style.transform = `translate(${Math.max(0, room ? px + 14 : px - 14 - tip.offsetWidth)}px, ${tools.offsetHeight + 14}px)`;
  }

  function zoom(times, around = hover ?? (view.x0 + view.x1) / 2) {
    const least = (whole.x1 - whole.x0) / 500;
    const wide = Math.max(least, Math.min(whole.x1 - whole.x0, (view.x1 - view.x0) * times));
    const share = (around - view.x0) / (view.x1 - view.x0 || 1);
    const x0 = Math.max(whole.x0, Math.min(whole.x1 - wide, around - share * wide));
    view = { x0, x1: x0 + wide };
    draw();
  }

  function reset() {
    view = { ...whole };
    draw();
  }

  function where(event) {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  svg.addEventListener("pointermove", (event) => {
    const [px, py] = where(event);
    hover = Math.max(view.x0, Math.min(view.x1, scale.back(px)));
    point();
    if (!from) return;
    const over = svg.querySelector(".over");
    over.append(make("rect", { class: "brush", x: Math.min(px, from[0]), y: Math.min(py, from[1]), width: Math.abs(px - from[0]), height: Math.abs(py - from[1]) }));
  });
  svg.addEventListener("pointerleave", () => { if (!from) { hover = null; point(); } });
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button) return;
    from = where(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [px, py] = where(event), [fx, fy] = from;
    from = null;
    if (Math.abs(px - fx) <= 8) point(); // a click; were all drawn anew, a second one would make no double click
    else {
      const x = [scale.back(px), scale.back(fx)].map((one) => Math.max(view.x0, Math.min(view.x1, one))).sort((a, b) => a - b);
      const y = [scale.up(py), scale.up(fy)].sort((a, b) => a - b);
      view = { x0: x[0], x1: x[1], ...(Math.abs(py - fy) > 30 ? { y0: y[0], y1: y[1] } : {}) };
      draw();
    }
  });
  svg.addEventListener("pointercancel", () => { from = null; hover = null; point(); });
  svg.addEventListener("dblclick", reset);
  svg.addEventListener("keydown", (event) => {
    const grid = visible()[0]?.x ?? [];
    const walk = (by) => { hover = grid[Math.max(0, Math.min(grid.length - 1, (hover === null ? (by > 0 ? -1 : grid.length) : nearest(grid, hover)) + by))] ?? null; point(); };
    const acts = { ArrowRight: () => walk(1), ArrowLeft: () => walk(-1), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: reset, Escape: () => { hover = null; reset(); } };
    if (!Object.hasOwn(acts, event.key) || event.ctrlKey || event.metaKey) return;
    acts[event.key]();
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(root);

  return (newer) => {
    const marks = () => JSON.stringify(data.series.map((one) => [one.name, one.look, one.seeds.length > 1]));
    const before = marks(), all = !zoomed();
    data = newer;
    whole = wholeOf(data);
    if (all) view = { ...whole };
    if (marks() !== before) buttons();
    label();
    draw();
  };
}
