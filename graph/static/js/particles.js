/**
 * The dots of the traffic animation, without drawing: when a dot starts, how fast it travels, which dots are failures. Pure.
 * One dot per request, every clamp(1000 / rate, 40, 5000) ms; the faster the response, the faster the dot.
 */
import { edgeErrors, edgeMix, num } from './health.js';

/** @param {number} rate requests per second @returns {number} milliseconds between dots, Infinity without traffic */
export const interval = (rate) => (rate > 0 ? Math.min(5000, Math.max(40, 1000 / rate)) : Infinity);

/** Bytes per second that count as one request per second: a dot per kilobyte. */
const BYTES_PER_DOT = 1024;

/**
 * @param {number | undefined} responseTime milliseconds, undefined where unknown
 * @returns {number} pixels of the unzoomed picture per second: 220 at 0 ms, half of it at 150 ms, never below 30
 */
export const speed = (responseTime) => Math.max(30, 220 / (1 + (responseTime ?? 60) / 150));

/**
 * @typedef {object} Spec of one edge
 * @property {number} every milliseconds between dots
 * @property {number} speed pixels per second
 * @property {number} errors share of failures, 0..1
 * @property {boolean} tcp
 */

/** @param {Record<string, any>} data edge as the server sent it @returns {Spec} */
export function specOf(data) {
  const tcp = data.traffic?.protocol === 'tcp';
  const mix = edgeMix(data.traffic);
  return {
    tcp,
    every: interval(tcp ? num(data.traffic?.rates?.tcp) / BYTES_PER_DOT : mix.total),
    speed: speed(data.responseTime === undefined ? undefined : num(data.responseTime)),
    errors: tcp ? 0 : edgeErrors(data.traffic) / 100,
  };
}

/** The dots on one edge. */
export class Stream {
  /**
   * @param {Spec} spec
   * @param {number} phase 0..1: where in its interval the edge begins, so that edges do not beat together
   */
  constructor(spec, phase) {
    this.spec = spec;
    /** Milliseconds until the next dot. */
    this.wait = Number.isFinite(spec.every) ? spec.every * phase : Infinity;
    /** Failures that are due: a dot is a failure when this reaches 1, so their share is exact, not random. */
    this.due = spec.errors * phase;
    /** How many requests a dot stands for. */
    this.thin = 1;
    /** @type {{at: number, error: boolean}[]} oldest first; `at` = pixels from the source */
    this.dots = [];
  }

  /** @param {Spec} spec new numbers for the same edge; dots under way go on */
  retune(spec) {
    if (!Number.isFinite(this.wait) && Number.isFinite(spec.every)) this.wait = 0;
    this.wait = Math.min(this.wait, spec.every * this.thin);
    this.spec = spec;
  }

  /**
   * @param {number} elapsed milliseconds since the last step
   * @param {number} length of the edge in pixels
   */
  step(elapsed, length) {
    const way = (this.spec.speed * elapsed) / 1000;
    for (const dot of this.dots) dot.at += way;
    let arrived = 0;
    while (arrived < this.dots.length && this.dots[arrived].at >= length) arrived += 1;
    if (arrived) this.dots.splice(0, arrived);
    this.wait -= elapsed;
    while (this.wait <= 0) {
      this.due += this.spec.errors;
      const error = this.due >= 1;
      if (error) this.due -= 1;
      const at = (-this.wait / 1000) * this.spec.speed;
      if (at < length) this.dots.push({ at, error });
      this.wait += this.spec.every * this.thin;
    }
  }
}

/** More dots than this at a time are not drawn, so that a big mesh stays smooth without a graphics card. */
const MOST_DOTS = 2500;

/**
 * @param {{spec: Spec, length: number}[]} edges with their lengths in pixels
 * @returns {number} how many requests a dot must stand for, 1 for as long as all can be drawn
 */
export function thinning(edges) {
  let dots = 0;
  for (const { spec, length } of edges) if (Number.isFinite(spec.every)) dots += ((length / spec.speed) * 1000) / spec.every;
  return Math.max(1, Math.ceil(dots / MOST_DOTS));
}

/**
 * Points at equal distances along a curve, so that a dot's place is a look-up.
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}[]} controls of quadratic curves; between two of them the curve passes their middle (as cytoscape draws it)
 * @param {{x: number, y: number}} to
 * @returns {{length: number, points: Float32Array}} x, y, x, y ...
 */
export function pathOf(from, controls, to) {
  const raw = [from.x, from.y];
  let start = from;
  controls.forEach((control, i) => {
    const after = controls[i + 1];
    const end = after ? { x: (control.x + after.x) / 2, y: (control.y + after.y) / 2 } : to;
    for (let k = 1; k <= 16; k += 1) {
      const t = k / 16;
      const u = 1 - t;
      raw.push(u * u * start.x + 2 * u * t * control.x + t * t * end.x, u * u * start.y + 2 * u * t * control.y + t * t * end.y);
    }
    start = end;
  });
  if (controls.length === 0) {
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    return { length, points: new Float32Array([from.x, from.y, to.x, to.y]) };
  }
  const sums = [0];
  for (let i = 2; i < raw.length; i += 2) sums.push(sums[sums.length - 1] + Math.hypot(raw[i] - raw[i - 2], raw[i + 1] - raw[i - 1]));
  const length = sums[sums.length - 1];
  const steps = 24;
  const points = new Float32Array((steps + 1) * 2);
  for (let k = 0, i = 1; k <= steps; k += 1) {
    const goal = (length * k) / steps;
    while (i < sums.length - 1 && sums[i] < goal) i += 1;
    const span = sums[i] - sums[i - 1] || 1;
    const part = (goal - sums[i - 1]) / span;
    points[2 * k] = raw[2 * i - 2] + part * (raw[2 * i] - raw[2 * i - 2]);
    points[2 * k + 1] = raw[2 * i - 1] + part * (raw[2 * i + 1] - raw[2 * i - 1]);
  }
  return { length, points };
}
