/** The graph in words: a sentence for the live region, and two tables with everything that the picture says. */
import { h } from './dom.js';
import { shareLabel } from './elements.js';
import { duration, millis, number, percent, plural, throughput } from './format.js';
import { HEALTH_WORDS, edgeErrors, edgeMix, nodeMix, num } from './health.js';
import { marks } from './marks.js';

/** @typedef {import('./elements.js').Model} Model */
/** @typedef {import('./elements.js').Drawn} Drawn */
/** @typedef {import('./state.js').View} View */

/**
 * @param {Model} model
 * @param {View} view
 * @returns {string} what a person would say who looks at the picture
 */
export function sentence(model, view) {
  const nodes = model.nodes.filter(({ shape, gap }) => shape !== 'box' && !gap);
  const edges = model.edges.filter(({ gap }) => !gap);
  const where = model.focusTitle ? `Zoomed to ${model.focusTitle}` : `Graph of ${view.namespaces.join(', ')}`;
  const parts = [`${where}, last ${duration(view.duration)}: ${plural(nodes.length, 'node')}, ${plural(edges.length, 'edge')}.`];
  for (const health of ['failing', 'degraded']) {
    const bad = edges.filter((edge) => edge.health === health);
    if (bad.length) parts.push(`${HEALTH_WORDS[/** @type {'failing'} */ (health)]}: ${bad.map((edge) => `${edge.title} (${percent(edgeErrors(edge.data.traffic))} errors)`).join(', ')}.`);
  }
  if (edges.length && edges.every(({ health }) => health !== 'failing' && health !== 'degraded')) parts.push('No errors.');
  return parts.join(' ');
}

/** @param {Drawn} edge @returns {string[]} from, to, protocol, rate, errors, share, time, throughput, mTLS, weight, health */
export function edgeRow(edge, /** @type {Model} */ model) {
  const { traffic = {}, source, target, responseTime, throughput: bytes } = edge.data;
  const rates = traffic.rates ?? {};
  const tcp = traffic.protocol === 'tcp';
  const mix = edgeMix(traffic);
  const share = rates[`${traffic.protocol}PercentReq`];
  return [
    model.byId.get(source)?.title ?? '', model.byId.get(target)?.title ?? '', traffic.protocol ?? '',
    tcp ? throughput(num(rates.tcp)) : `${number(mix.total)} rps`, tcp ? '–' : percent(edgeErrors(traffic)),
    share === undefined ? '–' : percent(num(share)), responseTime === undefined ? '–' : millis(num(responseTime)),
    bytes === undefined ? '–' : throughput(num(bytes)), edge.data.isMTLS === undefined ? '–' : percent(num(edge.data.isMTLS), 0),
    edge.share ? shareLabel(edge.share) : '–', HEALTH_WORDS[/** @type {'failing'} */ (edge.health)] ?? edge.health,
  ];
}

/** @param {Drawn} node @param {Model} model @returns {string[]} */
export function nodeRow(node, model) {
  const { traffic, namespace, parent, hasVS } = node.data;
  const [into, out] = [nodeMix(traffic, 'In'), nodeMix(traffic, 'Out')];
  const kinds = /** @type {Record<string, string>} */ ({ app: 'app', service: 'service', serviceentry: 'service entry', unknown: 'unknown', operation: 'operation' });
  return [
    node.title, node.data.nodeType === 'workload' ? 'workload' : kinds[node.shape] ?? node.shape, namespace ?? '', model.byId.get(parent)?.label ?? '–',
    `${number(into.total)} rps`, `${number(out.total)} rps`, hasVS ? (hasVS.hostnames ?? []).join(', ') || 'yes' : '–', marks(node.data).join(', ') || '–', HEALTH_WORDS[/** @type {'failing'} */ (node.health)] ?? node.health,
  ];
}

/**
 * @param {string} caption
 * @param {string[]} heads
 * @param {{id: string, cells: string[]}[]} rows
 * @param {(id: string) => void} select
 */
function table(caption, heads, rows, select) {
  return h('table', {},
    h('caption', { text: caption }),
    h('thead', {}, h('tr', {}, ...heads.map((text) => h('th', { scope: 'col', text })))),
    h('tbody', {}, ...rows.map(({ id, cells }) => h('tr', {}, ...cells.map((text, i) => (i === 0
      ? h('th', { scope: 'row' }, h('button', { type: 'button', class: 'link', id: `row-${id}`, text, on: { click: () => select(id) } }))
      : h('td', { text })))))));
}

/**
 * @param {Model} model
 * @param {(id: string) => void} select called with the id of a row's element
 * @returns {HTMLElement}
 */
export function tables(model, select) {
  const nodes = model.nodes.filter(({ shape, gap }) => shape !== 'box' && !gap);
  const edges = model.edges.filter(({ gap }) => !gap);
  return h('div', {},
    table('Edges', ['From', 'To', 'Protocol', 'Rate', 'Errors', 'Share', 'Response time', 'Throughput', 'mTLS', 'Weight', 'Health'], edges.map((edge) => ({ id: edge.id, cells: edgeRow(edge, model) })), select),
    table('Nodes', ['Node', 'Kind', 'Namespace', 'Box', 'HTTP in', 'HTTP out', 'Virtual services', 'Marks', 'Health'], nodes.map((node) => ({ id: node.id, cells: nodeRow(node, model) })), select));
}
