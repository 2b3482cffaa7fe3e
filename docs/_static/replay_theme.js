"use strict";
/* Replays in frames are as dark or light as the page around them, which may differ from what the system has. */
(() => {
  const frames = document.querySelectorAll("iframe.replay");
  const follow = () => {
    const theme = { dark: "=dark", light: "=light" }[document.body.dataset.theme] ?? "";
    for (const frame of frames) {
      const address = frame.src.replace(/#.*$/, `#embed${theme}`);
      if (frame.src !== address) frame.src = address;
    }
  };
  if (!frames.length) return;
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-theme"] });
  follow();
})();
