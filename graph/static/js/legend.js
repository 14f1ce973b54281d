/** What shapes, borders, lines and badges mean; drawn with the same numbers as the graph. */
import { h, icon, svg } from './dom.js';
import { DASHES } from './graph-style.js';

const SHAPES = /** @type {[string, string, string][]} */ ([
  ['App or workload, labelled by version', 'rect', ''], ['Service', 'polygon', '22,4 36,26 8,26'], ['Service entry (outside the mesh)', 'polygon', '8,6 27,6 37,15 27,24 8,24'],
  ['Operation', 'polygon', '22,3 35,13 30,27 14,27 9,13'], ['Unknown source (such as Prometheus)', 'circle', ''],
]);

/** @param {Node} drawing @param {string} text */
const row = (drawing, text) => h('li', {}, drawing, h('span', { text }));

/** @param {string} kind @param {string} points @param {string} [look] class */
function shape(kind, points, look = 'healthy') {
  const form = kind === 'rect' ? svg('rect', { x: 11, y: 4, width: 22, height: 22, rx: 4 }) : kind === 'circle' ? svg('circle', { cx: 22, cy: 15, r: 11 }) : svg('polygon', { points });
  form.setAttribute('class', `shape ${look}`);
  const parts = [form];
  if (look === 'failing') parts.push(svg('rect', { class: 'shape failing inner', x: 15, y: 8, width: 14, height: 14, rx: 2 }));
  return svg('svg', { viewBox: '0 0 44 30', 'aria-hidden': 'true' }, ...parts);
}

/** @param {string} health */
const line = (health) => svg('svg', { viewBox: '0 0 44 12', 'aria-hidden': 'true' },
  svg('line', { class: `edge ${health}`, x1: 1, y1: 6, x2: 36, y2: 6, 'stroke-dasharray': DASHES[health].join(' ') }), svg('polygon', { class: `arrow ${health}`, points: '35,2 43,6 35,10' }));

/** @param {string} kind */
const dot = (kind) => svg('svg', { viewBox: '0 0 44 12', 'aria-hidden': 'true' },
  kind === 'error' ? svg('polygon', { class: 'arrow failing', points: '22,0 28,6 22,12 16,6' }) : svg('circle', { class: kind === 'tcp' ? 'shape tcp' : 'arrow healthy', cx: 22, cy: 6, r: 4 }));

/**
 * @param {{code: string, degraded: number, failure: number}[]} tolerances the server's, by which it judges
 * @param {'degraded' | 'failing'} health
 */
function when(tolerances, health) {
  const bound = (/** @type {{degraded: number, failure: number}} */ one) => (health === 'failing' ? one.failure : one.degraded);
  return tolerances.map((one) => `${one.code} ${bound(one) > 0 ? `from ${bound(one)} %` : 'any'}`).join(', ');
}

/**
 * @param {HTMLElement} root
 * @param {{code: string, degraded: number, failure: number}[]} tolerances the server's
 */
export function drawLegend(root, tolerances) {
  const part = (/** @type {string} */ title, /** @type {HTMLElement[]} */ ...rows) => h('section', {}, h('h3', { text: title }), h('ul', {}, ...rows));
  root.replaceChildren(
    part('Nodes', ...SHAPES.map(([text, kind, points]) => row(shape(kind, points), text))),
    part('Health of a node: how it answers, and how it is answered', row(shape('rect', ''), 'Healthy'), row(shape('rect', '', 'degraded'), `Degraded: ${when(tolerances, 'degraded')}`), row(shape('rect', '', 'failing'), `Failing: ${when(tolerances, 'failing')}`), row(shape('rect', '', 'idle'), 'Idle')),
    part('Edges', row(line('healthy'), 'Healthy'), row(line('degraded'), 'Degraded'), row(line('failing'), 'Failing'), row(line('tcp'), 'TCP'), row(line('idle'), 'Idle')),
    part('Animation', row(dot('ok'), 'A request that succeeded'), row(dot('error'), 'A request that failed'), row(dot('tcp'), 'TCP, a dot per kilobyte')),
    part('Badges', row(icon('vs'), 'A VirtualService routes to it'), row(icon('shift'), 'It splits weights'), row(icon('fault'), 'It injects faults'), row(icon('nosidecar'), 'Missing sidecar'), row(icon('gateway'), 'Gateway'), row(icon('padlock'), 'Mutual TLS'), row(icon('degraded'), 'Degraded'), row(icon('failing'), 'Failing')),
    h('section', {}, h('h3', { text: 'Keys, when the graph has the focus' }), h('ul', {}, ...[['Arrows', 'go to the next node'], ['E', 'go to the next edge'], ['Enter', 'select it'], ['Z', 'zoom to its neighbours (double click)'], ['Esc', 'back'], ['+ − 0', 'nearer, farther, all']].map(([key, text]) => h('li', {}, h('kbd', { text: key }), h('span', { text }))))),
  );
}
