/** Colours of the drawing, read from the style sheet so that light and dark live in one place. */

/** @typedef {Record<'surface' | 'text' | 'muted' | 'node' | 'border' | 'box' | 'boxborder' | 'accent' | 'healthy' | 'degraded' | 'failing' | 'tcp' | 'idle', string>} Theme */

const NAMES = /** @type {(keyof Theme)[]} */ (['surface', 'text', 'muted', 'node', 'border', 'box', 'boxborder', 'accent', 'healthy', 'degraded', 'failing', 'tcp', 'idle']);

/** @returns {Theme} */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  return /** @type {Theme} */ (Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])));
}

/** @param {() => void} changed called when the person's system turns dark or light */
export function watchTheme(changed) {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
}

/** @returns {boolean} the person asked their system for less motion */
export const lessMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
