/* Methods as points with their intervals and the scores of their seeds, between the reference policies. */

const ROW = 46;
const SIDE = 14;

/** @param data what evidence/report_charts.py makes: rows with value, low, high and seeds; lines. */
function intervalChart(root, data) {
  const svg = make("svg", { role: "img", "aria-label": data.rows.map((row) => `${row.name} ${number(row.value)}, ${number(row.low)} to ${number(row.high)}`).join("; ") });
  root.append(svg);
  const known = [...data.rows.flatMap((row) => [row.value, row.low, row.high, ...row.seeds]), ...data.lines.map((line) => line.value)].filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known), pad = 0.02 * (high - low || Math.abs(high) || 1);

  /** Names of reference lines, each on a line where it touches no other. */
  function placed(x, wide) {
    const ends = [];
    return [...data.lines].sort((a, b) => a.value - b.value).map((one) => {
      const text = `${brief(one.name)} ${number(one.value)}`, half = text.length * 3.2;
      const middle = Math.max(half, Math.min(wide - half, x(one.value)));
      let level = 0;
      while (ends[level] !== undefined && ends[level] > middle - half) level++;
      ends[level] = middle + half + 8;
      return { one, text, middle, level };
    });
  }

  function draw() {
    const wide = root.clientWidth;
    if (!wide) return;
    const x = (value) => SIDE + ((value - low + pad) / (high - low + 2 * pad)) * (wide - 2 * SIDE);
    const names = placed(x, wide), levels = Math.max(0, ...names.map((name) => name.level + 1));
    const top = 10 + 15 * levels, bottom = top + ROW * data.rows.length + 4, tall = bottom + 36;
    svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    svg.setAttribute("height", tall);
    const parts = [];
    const marks = ticks(low - pad, high + pad, wide < 500 ? 4 : 8);
    for (const mark of marks) {
      parts.push(make("line", { class: "grid", x1: x(mark), y1: top, x2: x(mark), y2: bottom }),
        make("text", { x: x(mark), y: bottom + 15, "text-anchor": "middle" }, tickLabel(mark, marks[1] - marks[0] || 1)));
    }
    const height = (level) => 10 + 15 * (levels - 1 - level);
    for (const { one, level } of names) {
      parts.push(make("line", { class: "reference", x1: x(one.value), y1: height(level) + 4, x2: x(one.value), y2: bottom }));
    }
    for (const { text, middle, level } of names) parts.push(make("text", { x: middle, y: height(level), "text-anchor": "middle" }, text));
    data.rows.forEach((row, i) => parts.push(...drawRow(row, top + ROW * i, x, wide)));
    parts.push(make("text", { x: wide - SIDE, y: tall - 4, "text-anchor": "end" }, data.label));
    svg.replaceChildren(...parts);
  }

  function drawRow(row, y, x, wide) {
    const middle = y + 32, colour = methodColour(row.look);
    const ends = row.low === null ? "" : `  (${number(row.low)} to ${number(row.high)})`;
    const text = `${brief(row.name)}  ${number(row.value)}${ends}`, half = Math.min(wide / 2, text.length * 3.5);
    const label = make("text", { class: "strong", x: Math.max(half, Math.min(wide - half, x(row.value))), y: y + 16, "text-anchor": "middle" }, text);
    const dots = row.seeds.filter((seed) => seed !== null).map((seed) => {
      const dot = make("circle", { cx: x(seed), cy: middle, r: 4, opacity: 0.4 });
      dot.style.fill = colour;
      return dot;
    });
    const bar = row.low === null ? null : make("line", { x1: x(row.low), x2: x(row.high), y1: middle, y2: middle, "stroke-width": 3.5, "stroke-linecap": "round" });
    if (bar) bar.style.stroke = colour;
    const mark = make("rect", { x: x(row.value) - 2.5, y: middle - 9, width: 5, height: 18, rx: 2.5 });
    mark.style.fill = colour;
    return [label, ...dots, bar, mark].filter(Boolean);
  }

  new ResizeObserver(draw).observe(root);
}
