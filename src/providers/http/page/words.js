// @ts-check
/**
 * Elements, and numbers as people read them. All that comes from the host is put in as text.
 *
 * @typedef {import("../findings.ts").Tone} Tone
 */

/** @param {string} id */
export const the = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {{ text?: string, class?: string, tone?: Tone | undefined, title?: string }} [how]
 * @param {Node[]} children
 */
export function element(name, how = {}, ...children) {
  const made = document.createElement(name);
  if (how.text !== undefined) made.textContent = how.text;
  if (how.class !== undefined) made.className = how.class;
  if (how.title !== undefined) made.title = how.title;
  if (how.tone !== undefined) made.dataset.tone = how.tone;
  made.append(...children);
  return made;
}

/** Changes a text only where it is another, so that what is read aloud is news. @param {string} id @param {string} text */
export function say(id, text) {
  const place = the(id);
  if (place.textContent !== text) place.textContent = text;
}

/** @param {string} id @param {Tone} tone */
export function tune(id, tone) {
  the(id).dataset.tone = tone;
}

export const sign = () => {
  const made = element("span", { class: "sign" });
  made.setAttribute("aria-hidden", "true");
  return made;
};

/** @param {number} value */
export const whole = (value) => Math.round(value).toLocaleString("en-US");

/** @param {number} value @param {string} noun */
export const several = (value, noun) => `${whole(value)} ${noun}${value === 1 ? "" : "s"}`;

/** @param {number} value */
export function brief(value) {
  if (value < 10 && value % 1 !== 0) return value.toFixed(1);
  if (value < 100_000) return whole(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(0)}k` : `${(value / 1e6).toFixed(value < 1e7 ? 2 : 1)}M`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** @param {number} ms */
export function span(ms) {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 120_000) return `${(ms / 1_000).toFixed(size < 10_000 ? 1 : 0)} s`;
  return size < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** The time of day, with the day where it is another. @param {number} at */
export function clockTime(at) {
  const [time, now] = [new Date(at), new Date()];
  const day = time.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const clock = time.toLocaleTimeString("en-GB");
  return time.toDateString() === now.toDateString() ? clock : `${day}, ${clock}`;
}
