/* The report: put charts and players in their places, and a copy button beside commands. */
const report = readData();
document.querySelector(".head").append(themeButton());
for (const place of document.querySelectorAll("[data-chart]")) {
  const data = report.charts[Number(place.dataset.chart)];
  if (data.kind === "intervals") intervalChart(place, data);
  else lineChart(place, data);
}
for (const place of document.querySelectorAll("[data-player]")) player(place, report.players[Number(place.dataset.player)]);
for (const command of document.querySelectorAll("pre.command")) command.replaceWith(copyable(command.cloneNode(true)));
