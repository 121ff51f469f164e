// What every page does: times in the reader's zone, copying ids, the keyboard, the theme, charts and what arrives.
import { reach } from "./reach.js";
import { localize } from "./times.js";

const status = document.getElementById("status");

function tell(text) {
  status.textContent = text;
}

function copying(root) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("copied");
      tell("copied");
      setTimeout(() => button.classList.remove("copied"), 1200);
    } catch {
      tell(`copy by hand: ${button.dataset.copy}`);
      getSelection().selectAllChildren(button);
    }
  });
}

function keyboard() {
  const field = document.getElementById("q");
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && event.target === field) field.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      field.focus();
      field.select();
    }
    const turn = { j: "next", k: "prev" }[event.key];
    const link = turn && document.querySelector(`a[rel="${turn}"]`);
    if (link) link.click();
  });
}

function theme() {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("ares-theme", root.dataset.theme);
    } catch {
      // a browser that keeps nothing still switches
    }
    document.dispatchEvent(new CustomEvent("ares-theme"));
  });
}

localize(document);
copying(document);
keyboard();
theme();
reach(document);
document.fonts.ready.then(() => reach(document)); // letters of another font are of another width
addEventListener("resize", () => reach(document));
setInterval(() => localize(document, true), 1000);
if (document.querySelector("[data-chart]")) import("./charts.js").then((charts) => charts.draw(document));
if (document.querySelector("[data-live]")) import("./live.js").then((live) => live.start());
