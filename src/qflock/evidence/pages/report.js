/* The report: put charts and players in their places, and a copy button beside commands. */
const report = readData();
document.querySelector(".head").append(themeButton());
for (const place of document.querySelectorAll("[data-chart]")) {
  const data = report.charts[Number(place.dataset.chart)];
  if (data.kind === "intervals") intervalChart(place, data);
  else lineChart(place, data);
}
for (const place of document.querySelectorAll("[data-player]")) player(place, report.players[Number(place.dataset.player)]);
for (const command of document.querySelectorAll("pre.command")) {
  const around = make("div", { class: "copied" });
  command.replaceWith(around);
  const button = make("button", { type: "button", click: async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "copied";
    } catch { // a page from a file may not write there: mark the text, for Ctrl-C
      getSelection().selectAllChildren(command);
      button.textContent = "marked";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  } }, "copy");
  around.append(command, button);
}
