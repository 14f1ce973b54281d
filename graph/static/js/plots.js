/** Time series as SVG: lines told apart by dashes as well as colours, a readout for mouse and arrow keys. */
import { h, svg } from './dom.js';
import { clock } from './format.js';
import { extremes, path, runs, ticks, timeRange, valueAt } from './plot-math.js';

/** @typedef {import('./plot-math.js').Points} Points */
/** @typedef {{name: string, points: Points, tone?: string}} Series `tone`: a class that colours it; otherwise the next of the palette */

const DASH = ['', '6 3', '2 2', '10 3 2 3', '4 1', '1 3'];
const COLOURS = 8;

/**
 * @param {object} spec
 * @param {string} spec.title
 * @param {Series[]} spec.series
 * @param {(value: number) => string} spec.format
 * @param {number} [spec.width]
 * @param {number} [spec.height]
 * @param {boolean} [spec.binary] values are bytes: steps in powers of 1024
 * @param {[number, number]} [spec.range] of time; otherwise that of the points
 * @param {{time: number, kind: string, text: string}[]} [spec.changes] what was changed in the cluster
 * @returns {HTMLElement} a figure
 */
export function timeSeries({ title, series, format, width = 340, height = 130, binary = false, range, changes = [] }) {
  const filled = series.filter(({ points }) => extremes(points));
  const caption = h('figcaption', { text: title });
  if (!filled.length) return h('figure', { class: 'plot' }, caption, h('p', { class: 'none', text: 'No data in this window.' }));
  const marks = ticks(Math.max(...filled.map(({ points }) => extremes(points)?.max ?? 0)), 3, binary ? 1024 : 1);
  const top = marks[marks.length - 1];
  const left = 10 + 6.8 * Math.max(...marks.map((mark) => format(mark).length));
  const [right, bottom] = [width - 10, height - 20];
  const [from, to] = range ?? timeRange(filled.map(({ points }) => points));
  const x = (/** @type {number} */ t) => left + ((t - from) / (to - from || 1)) * (right - left);
  const y = (/** @type {number} */ v) => bottom - (v / top) * (bottom - 8);

  const words = filled.map(({ name, points }) => {
    const found = /** @type {{min: number, max: number, last: number}} */ (extremes(points));
    return `${name}: latest ${format(found.last)}, lowest ${format(found.min)}, highest ${format(found.max)}`;
  });
  const drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'plot-drawing', role: 'img', tabindex: 0, 'aria-label': `${title}. ${words.join('; ')}.` });
  for (const mark of marks) {
    drawing.append(svg('line', { class: 'grid', x1: left, x2: right, y1: y(mark), y2: y(mark) }), svg('text', { class: 'tick', x: left - 5, y: y(mark) + 4, 'text-anchor': 'end' }, format(mark)));
  }
  for (const [t, anchor] of /** @type {[number, string][]} */ ([[from, 'start'], [(from + to) / 2, 'middle'], [to, 'end']])) {
    drawing.append(svg('text', { class: 'tick', x: x(t), y: height - 5, 'text-anchor': anchor }, clock(t)));
  }
  for (const { time, kind, text } of changes.filter((one) => one.time >= from && one.time <= to)) {
    const at = x(time);
    drawing.append(svg('g', { class: `change ${kind}` }, svg('title', {}, `${clock(time)} ${text}`), svg('line', { x1: at, x2: at, y1: 8, y2: bottom }), svg('path', { d: `M${at - 4} 2h8l-4 6z` })));
  }
  filled.forEach(({ points, tone }, i) => {
    const look = { class: `line ${tone ?? `tone${i % COLOURS}`}`, 'stroke-dasharray': DASH[i % DASH.length] };
    for (const run of runs(points)) {
      if (run.length === 1) drawing.append(svg('circle', { class: `dot ${tone ?? `tone${i % COLOURS}`}`, cx: x(run[0][0]), cy: y(run[0][1]), r: 2 }));
      else drawing.append(svg('path', { ...look, d: path(run, x, y) }));
    }
  });
  const needle = svg('line', { class: 'needle', x1: 0, x2: 0, y1: 8, y2: bottom, visibility: 'hidden' });
  drawing.append(needle);

  const values = filled.map(({ points }) => h('span', { class: 'value', text: format(extremes(points)?.last ?? NaN) }));
  const when = h('span', { class: 'when', text: 'latest' });
  const keys = filled.map(({ name, tone }, i) => h('li', {},
    svg('svg', { class: 'key', viewBox: '0 0 24 8', 'aria-hidden': 'true' }, svg('line', { class: `line ${tone ?? `tone${i % COLOURS}`}`, 'stroke-dasharray': DASH[i % DASH.length], x1: 0, x2: 24, y1: 4, y2: 4 })),
    h('span', { class: 'name', text: name }), ' ', values[i]));
  const times = filled.reduce((a, b) => (b.points.length > a.points.length ? b : a)).points.map(([t]) => t);
  let index = -1;
  const show = (/** @type {number} */ i) => {
    index = i;
    const off = i < 0;
    needle.setAttribute('visibility', off ? 'hidden' : 'visible');
    when.textContent = off ? 'latest' : clock(times[i]);
    if (!off) for (const key of ['x1', 'x2']) needle.setAttribute(key, String(x(times[i])));
    filled.forEach(({ points }, k) => { values[k].textContent = format((off ? extremes(points)?.last : valueAt(points, times[i])) ?? NaN); });
  };
  drawing.addEventListener('pointermove', (event) => {
    const box = drawing.getBoundingClientRect();
    const t = from + (((/** @type {PointerEvent} */ (event).clientX - box.left) * (width / box.width) - left) / (right - left)) * (to - from);
    show(times.reduce((best, at, i) => (Math.abs(at - t) < Math.abs(times[best] - t) ? i : best), 0));
  });
  drawing.addEventListener('pointerleave', () => show(-1));
  drawing.addEventListener('blur', () => show(-1));
  drawing.addEventListener('keydown', (event) => {
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
    event.preventDefault();
    event.stopPropagation();
    show(index < 0 ? times.length - 1 : Math.max(0, Math.min(times.length - 1, index + (key === 'ArrowLeft' ? -1 : 1))));
  });
  return h('figure', { class: 'plot' }, caption, drawing, h('ul', { class: 'keys' }, ...keys, h('li', {}, when)));
}
