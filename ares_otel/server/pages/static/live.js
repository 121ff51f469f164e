// Keeps the parts of a page that are marked data-live="address" fresh: told by the stream, else by the clock.
import { reach } from "./reach.js";
import { localize } from "./times.js";

const PAUSE = 1000;
const POLL = 5000;
let running = false;
let again = false;

async function refresh() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  for (const part of document.querySelectorAll("[data-live]")) await renew(part, part.dataset.live);
  setTimeout(() => {
    running = false;
    if (again) {
      again = false;
      refresh();
    }
  }, PAUSE);
}

async function renew(part, address) {
  // what somebody reads or works in is not taken from under them
  if (part.contains(document.activeElement) || part.matches(":hover")) return;
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    const known = new Set([...part.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
    if (known.size) for (const row of fresh.querySelectorAll("[data-id]")) row.classList.toggle("new", !known.has(row.dataset.id));
    part.replaceChildren(...fresh.childNodes);
    localize(part);
    reach(part);
  } catch {
    // the next turn tries again
  }
}

export function start() {
  for (const part of document.querySelectorAll("[data-once]")) renew(part, part.dataset.once);
  let told = 0;
  const hear = () => {
    told = Date.now();
    if (!document.hidden) refresh();
  };
  setInterval(() => {
    if (!document.hidden && Date.now() - told > POLL) refresh();
  }, POLL);
  const address = document.documentElement.dataset.stream || "";
  if (address && "EventSource" in window) {
    const stream = new EventSource(address);
    for (const kind of ["decision", "order", "update", "equity"]) stream.addEventListener(kind, hear);
  }
}
