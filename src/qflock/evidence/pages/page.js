"use strict";
/* What all pages share: elements made without HTML text, icons, numbers, light and dark. */

/** An element. Attributes that are functions become listeners; children that are strings become text. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "g", "line", "circle", "rect", "text", "clipPath", "defs"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const ICONS = {
  play: "M7 4.5v15l12.5-7.5z", pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z",
  back: "M15.5 5v14L5.5 12zM17 5h2v14h-2z", forward: "M8.5 5v14l10-7zM5 5h2v14H5z",
  start: "M5 5h2.4v14H5zM19 5v14l-10.5-7z", end: "M16.6 5H19v14h-2.4zM5 5v14l10.5-7z",
  theme: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 19a7 7 0 0 1 0-14z",
};

function icon(name) {
  return make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: ICONS[name], "fill-rule": "evenodd" }));
}

function iconButton(name, label, click, extra = "") {
  return make("button", { type: "button", class: `icon ${extra}`, "aria-label": label, title: label, click }, icon(name));
}

/** A number with a true minus sign; fewer digits the larger it is. */
function number(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const places = digits ?? (size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
  return value.toFixed(places).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
}

/** A name as it fits into a drawing, where nothing can be scrolled. */
const brief = (name) => (name.length > 60 ? `${name.slice(0, 59)}…` : name);

/** 12345678 as 12.3M. */
function quantity(value) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= 0.9995 * size) return `${+(value / size).toPrecision(3)}${letter}`;
  }
  return `${+value.toPrecision(3)}`;
}

function readData() {
  return JSON.parse(document.getElementById("data").textContent);
}

/** An agent's colour where the style sheet names none, as environments/_canvas.py paints it. */
function agentColour(agent) {
  const hue = 40 + 290 * (((agent - 4) * (Math.sqrt(5) - 1) / 2) % 1);
  return `hsl(${hue.toFixed(1)} 55% ${[36, 50, 62][agent % 3]}%)`;
}

/** A colour of the style sheet, for canvases. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Light or dark as the system has it, until the button is pressed; then as pressed, also next time. */
const theme = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const key = "qflock-theme";
  let chosen = null;
  try { chosen = localStorage.getItem(key); } catch { /* a page from a file may have no storage */ }
  const apply = () => {
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("theme"));
  };
  system.addEventListener("change", apply);
  apply();
  return {
    /** As a page around this one has it: "dark", "light", or undefined for the system's. */
    follow(outer) {
      chosen = outer ?? null;
      apply();
    },
    toggle() {
      chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem(key, chosen); } catch { /* as above */ }
      apply();
    },
  };
})();

/** The button that changes between light and dark. */
function themeButton() {
  return iconButton("theme", "Light or dark (D)", () => theme.toggle());
}
