// Tables that are wider than their place are reached by the keyboard, which then scrolls them; others are no stop.
export function reach(root) {
  for (const part of root.querySelectorAll(".scroll")) {
    if (part.scrollWidth > part.clientWidth) {
      part.tabIndex = 0;
      part.setAttribute("role", "group");
      part.setAttribute("aria-label", "table, scrolls sideways");
    } else if (part.hasAttribute("tabindex")) {
      for (const name of ["tabindex", "role", "aria-label"]) part.removeAttribute(name);
    }
  }
}
