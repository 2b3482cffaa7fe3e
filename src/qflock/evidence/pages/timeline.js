/* The time line of an episode: the return so far, and the shares of the mixer's weights. */

const THUMB = 8; // half of the slider's handle, where the time line begins
const RETURN = 40; // pixels of the lane of the return
const WEIGHTS = 22; // pixels of the lane of the weights

/**
 * Draw the time line.
 * @param canvas where; as wide as the page has it.
 * @param episode rewards, and weights where there are any.
 * @param step marked by a line.
 * @param paint the name of an agent's colour.
 */
function timeLine(canvas, episode, step, paint) {
  const wide = canvas.clientWidth, mixed = episode.weights ? WEIGHTS : 0, dots = window.devicePixelRatio || 1;
  if (!wide) return;
  canvas.style.height = `${RETURN + mixed}px`;
  canvas.width = wide * dots;
  canvas.height = (RETURN + mixed) * dots;
  const brush = canvas.getContext("2d");
  brush.scale(dots, dots);
  const total = episode.actions.length, x = (t) => THUMB + (t / total) * (wide - 2 * THUMB);
  const sums = [0];
  for (const reward of episode.rewards) sums.push(sums[sums.length - 1] + reward);
  const low = Math.min(...sums), top = Math.max(...sums, low + 1e-9);
  const y = (value) => RETURN - 5 - ((value - low) / (top - low)) * (RETURN - 12);
  const stairs = () => sums.forEach((sum, t) => { if (t) brush.lineTo(x(t), y(sums[t - 1])); brush.lineTo(x(t), y(sum)); });
  brush.fillStyle = brush.strokeStyle = colour("accent");
  brush.lineWidth = 1.5;
  brush.globalAlpha = 0.13;
  brush.beginPath();
  brush.moveTo(x(0), y(low));
  stairs();
  brush.lineTo(x(total), y(low));
  brush.fill();
  brush.globalAlpha = 1;
  brush.beginPath();
  stairs();
  brush.stroke();
  for (let t = 0; t < (mixed ? total : 0); t++) drawShares(brush, episode.weights[t], x(t), x(t + 1) - x(t) + 0.5, paint);
  brush.fillStyle = colour("ink");
  brush.fillRect(x(step) - 0.75, 0, 1.5, RETURN + mixed);
}

/** One step's weights, as parts of a column. */
function drawShares(brush, weights, left, wide, paint) {
  const sizes = weights.map(Math.abs), whole = sizes.reduce((a, b) => a + b, 0) || 1;
  let from = RETURN;
  sizes.forEach((size, agent) => {
    const part = (size / whole) * (WEIGHTS - 3);
    brush.fillStyle = colour(paint(agent));
    brush.fillRect(left, from, wide, part);
    from += part;
  });
}
