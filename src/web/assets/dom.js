// Makes elements. What others wrote becomes text nodes only.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Runs a function soon, and then at most once in a while.
export function paced(pause, run) {
  let timer = null;
  let last = 0;
  return () => {
    if (timer !== null) return;
    const wait = Math.max(50, last + pause - Date.now());
    timer = setTimeout(() => {
      timer = null;
      last = Date.now();
      run();
    }, wait);
  };
}

export const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

const two = (n) => String(n).padStart(2, "0");

export const clock = (time) => `${two(time.getHours())}:${two(time.getMinutes())}`;

export const day = (time) =>
  time.toLocaleDateString(undefined, { weekday: "long", year: "numeric", month: "long", day: "numeric" });

// How long ago something was, roughly.
export function ago(time) {
  const minutes = Math.max(0, Math.round((Date.now() - time) / 60000));
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} d`;
}
