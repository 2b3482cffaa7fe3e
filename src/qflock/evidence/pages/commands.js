/* Commands with a button that copies them. */

/** A command's element with its button beside it. */
function copyable(command) {
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
  return make("div", { class: "copied" }, command, button);
}
