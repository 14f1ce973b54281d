/** Scales and lines of the plots. Pure. */

/** @typedef {[number, number | null][]} Points unix seconds and value; null is a gap */

/**
 * @param {number} max largest value to be shown
 * @param {number} [count] about this many steps
 * @param {number} [base] 1024 for bytes: the values are round in KiB, MiB ...
 * @returns {number[]} round values from 0 to at least `max`
 */
export function ticks(max, count = 3, base = 1) {
  const top = max > 0 && Number.isFinite(max) ? max : 1;
  if (base > 1 && top >= base) return ticks(top / base, count, base).map((value) => value * base);
  const raw = top / count;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((value) => value >= raw * 0.999) ?? raw;
  const list = [];
  for (let i = 0; i * step < top * 0.999 + step; i += 1) list.push(Number((i * step).toPrecision(12)));
  return list;
}

/**
 * @param {Points} points
 * @returns {[number, number][][]} runs without gaps
 */
export function runs(points) {
  /** @type {[number, number][][]} */
  const list = [];
  let open = false;
  for (const [t, v] of points) {
    if (v === null || !Number.isFinite(v)) { open = false; continue; }
    if (!open) list.push([]);
    open = true;
    list[list.length - 1].push([t, v]);
  }
  return list;
}

/**
 * @param {[number, number][]} run
 * @param {(t: number) => number} x
 * @param {(v: number) => number} y
 * @returns {string} an SVG path
 */
export const path = (run, x, y) => run.map(([t, v], i) => `${i ? 'L' : 'M'}${x(t).toFixed(1)} ${y(v).toFixed(1)}`).join('');

/**
 * @param {Points} points
 * @returns {{min: number, max: number, last: number} | null} null when there is no value
 */
export function extremes(points) {
  const values = points.map(([, v]) => v).filter((v) => v !== null && Number.isFinite(v));
  if (!values.length) return null;
  const numbers = /** @type {number[]} */ (values);
  return { min: Math.min(...numbers), max: Math.max(...numbers), last: numbers[numbers.length - 1] };
}

/** @param {Points[]} lists @returns {[number, number]} earliest and latest time */
export function timeRange(lists) {
  const times = lists.flatMap((points) => (points.length ? [points[0][0], points[points.length - 1][0]] : []));
  return times.length ? [Math.min(...times), Math.max(...times)] : [0, 1];
}

/**
 * @param {Points} points
 * @param {number} t
 * @returns {number | null} the value at the nearest time
 */
export function valueAt(points, t) {
  let best = null;
  let least = Infinity;
  for (const [at, v] of points) if (Math.abs(at - t) < least) [best, least] = [v, Math.abs(at - t)];
  return best;
}
