"use strict";
/* A choice of versions where the site has several, as SITE/versions.json says (docs/publish.py). */
(async () => {
  if (!location.protocol.startsWith("http")) return; // files by themselves
  const root = new URL(document.documentElement.dataset.content_root, location);
  const site = new URL("../", root);
  const answer = await fetch(new URL("versions.json", site)).catch(() => null);
  if (!answer?.ok) return;
  const { versions, stable } = await answer.json();
  const here = decodeURIComponent(root.pathname.split("/").at(-2));
  const page = location.pathname.slice(root.pathname.length);
  if (!versions.includes(here)) return;

  /** Another version's page of the same name, or its first page where it has none. */
  async function open(version) {
    const first = new URL(`${encodeURIComponent(version)}/`, site), same = new URL(page, first);
    const found = await fetch(same, { method: "HEAD" }).catch(() => null);
    location.assign(found?.ok ? same : first);
  }

  const choice = document.createElement("select");
  choice.append(...versions.map((version) => new Option(version === stable ? `${version} (stable)` : version, version)));
  choice.value = here;
  choice.addEventListener("change", () => open(choice.value));
  const label = document.createElement("label");
  label.className = "versions";
  label.append("version ", choice);
  document.querySelector(".sidebar-brand")?.after(label);
  if (here === stable) return;
  const note = document.createElement("p");
  const link = document.createElement("button");
  note.className = "version-note";
  link.type = "button";
  link.textContent = `Read that of ${stable}`;
  link.addEventListener("click", () => open(stable));
  note.append(`This is the documentation of ${here}; the newest release is ${stable}. `, link);
  document.querySelector("article")?.prepend(note);
})();
