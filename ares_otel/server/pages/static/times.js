// Times in the reader's zone; UTC stays in the title.
const pad = (number, digits = 2) => String(number).padStart(digits, "0");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const day = (at) => `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
const minute = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}`;
const shown = {
  day,
  minute: (at) => `${day(at)} ${minute(at)}`,
  clock: (at) => `${minute(at)}:${pad(at.getSeconds())}`,
  second: (at) => `${day(at)} ${minute(at)}:${pad(at.getSeconds())}`,
  age: (at) => ago((Date.now() - at.getTime()) / 1000),
};

export function ago(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${(seconds / 3600).toFixed(1)} h ago`;
  return `${(seconds / 86400).toFixed(1)} d ago`;
}

export function localize(root, agesOnly = false) {
  for (const element of root.querySelectorAll(agesOnly ? 'time[data-show="age"]' : "time[data-show]")) {
    const at = new Date(element.dateTime);
    const show = shown[element.dataset.show];
    if (show && !Number.isNaN(at.getTime())) element.textContent = show(at);
  }
  const place = document.getElementById("zone");
  if (place && !agesOnly) place.textContent = zone;
}
