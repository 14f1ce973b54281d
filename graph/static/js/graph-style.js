/**
 * How elements look: a table for cytoscape. What a colour says is said again by a shape, a border, a dash pattern or a label.
 */

/** @typedef {import('./theme.js').Theme} Theme */

/** Dash patterns of edges by health; also drawn in the legend. */
export const DASHES = Object.freeze(/** @type {Record<string, number[]>} */ ({ healthy: [], degraded: [12, 4], failing: [6, 3], tcp: [], idle: [2, 4] }));

/** Badges stand above the node, side by side. */
const BADGE = 22;

/** Names of nodes, and labels of edges: pixels of the unzoomed picture. */
const NAME_SIZE = 16;
export const LABEL_SIZE = 15;

/** @param {any} node @returns {string[]} */
const badges = (node) => node.data('badges') ?? [];
/** @param {any} node @param {(i: number, n: number) => string} place */
const perBadge = (node, place) => badges(node).map((_, i) => place(i, badges(node).length));

/**
 * @param {Theme} theme
 * @param {number} [text] how much larger than usual names and labels are
 * @returns {any[]} cytoscape's style list
 */
export function graphStyle(theme, text = 1) {
  const health = (/** @type {any} */ element) => /** @type {any} */ (theme)[element.data('health')] ?? theme.border;
  return [
    {
      selector: 'node',
      style: {
        label: 'data(label)', 'text-wrap': 'wrap', 'text-valign': 'bottom', 'text-halign': 'center', 'text-margin-y': 6,
        'font-family': 'system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif', 'font-size': NAME_SIZE * text, 'line-height': 1.15, color: theme.text,
        'text-background-color': theme.surface, 'text-background-opacity': 0.85, 'text-background-padding': 2, 'text-background-shape': 'roundrectangle',
        'min-zoomed-font-size': 5,
        width: 46, height: 46, shape: 'roundrectangle', 'background-color': theme.node, 'border-width': 2, 'border-color': theme.border,
        'background-image': (/** @type {any} */ node) => badges(node).map((name) => new URL(`static/icons/${name}.svg`, document.baseURI).href),
        'background-width': (/** @type {any} */ node) => perBadge(node, () => `${BADGE}px`),
        'background-height': (/** @type {any} */ node) => perBadge(node, () => `${BADGE}px`),
        'background-position-x': (/** @type {any} */ node) => perBadge(node, () => '50%'),
        'background-position-y': (/** @type {any} */ node) => perBadge(node, () => '0px'),
        'background-offset-x': (/** @type {any} */ node) => perBadge(node, (i, n) => `${(i - (n - 1) / 2) * (BADGE + 2)}px`),
        'background-offset-y': (/** @type {any} */ node) => perBadge(node, () => `${-BADGE - 4}px`),
        'background-clip': (/** @type {any} */ node) => perBadge(node, () => 'none'),
        'background-image-containment': (/** @type {any} */ node) => perBadge(node, () => 'over'),
        'background-image-smoothing': (/** @type {any} */ node) => perBadge(node, () => 'yes'),
        'bounds-expansion': 24,
        'overlay-opacity': 0,
      },
    },
    { selector: 'node[shape = "service"]', style: { shape: 'triangle', width: 54, height: 48 } },
    { selector: 'node[shape = "serviceentry"]', style: { shape: 'tag', width: 58, height: 44 } },
    { selector: 'node[shape = "unknown"]', style: { shape: 'ellipse', width: 44, height: 44 } },
    { selector: 'node[shape = "operation"]', style: { shape: 'pentagon', width: 48, height: 46 } },
    {
      selector: 'node[shape = "box"]',
      style: {
        shape: 'roundrectangle', 'background-color': theme.box, 'background-opacity': 1, 'border-color': theme.boxborder, 'border-width': 1.5, padding: 18,
        'font-weight': 'bold', 'text-margin-y': 5, 'compound-sizing-wrt-labels': 'include', 'bounds-expansion': 4, 'background-image': 'none',
      },
    },
    { selector: 'node[health = "degraded"][shape != "box"]', style: { 'border-color': theme.degraded, 'border-width': 3, 'border-style': 'dashed' } },
    { selector: 'node[health = "failing"][shape != "box"]', style: { 'border-color': theme.failing, 'border-width': 6, 'border-style': 'double' } },
    { selector: 'node[health = "idle"][shape != "box"]', style: { 'border-color': theme.idle, 'border-width': 2, 'border-style': 'dotted' } },
    {
      selector: 'edge',
      style: {
        label: 'data(label)', 'text-wrap': 'wrap', 'font-family': 'system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif', 'font-size': LABEL_SIZE * text, 'line-height': 1.1,
        color: theme.text, 'text-background-color': theme.surface, 'text-background-opacity': 0.92, 'text-background-padding': 2, 'text-background-shape': 'roundrectangle',
        'min-zoomed-font-size': 5,
        width: 2.2, 'curve-style': 'bezier', 'control-point-step-size': 36, 'target-arrow-shape': 'triangle', 'arrow-scale': 1.1,
        'line-color': health, 'target-arrow-color': health, 'overlay-opacity': 0, 'overlay-padding': 8, 'loop-direction': '-45deg', 'loop-sweep': '50deg',
      },
    },
    { selector: 'edge[bend != 0][?bend]', style: { 'curve-style': 'unbundled-bezier', 'edge-distances': 'node-position', 'control-point-distances': 'data(bend)', 'control-point-weights': 0.5 } },
    { selector: 'edge[?shiftX], edge[?shiftY]', style: { 'text-margin-x': 'data(shiftX)', 'text-margin-y': 'data(shiftY)' } },
    ...['degraded', 'failing', 'idle'].map((name) => ({ selector: `edge[health = "${name}"]`, style: { 'line-style': 'dashed', 'line-dash-pattern': DASHES[name] } })),
    { selector: 'edge[health = "failing"]', style: { width: 3.2 } },
    { selector: 'edge[health = "tcp"]', style: { 'target-arrow-shape': 'vee', 'line-color': theme.tcp, 'target-arrow-color': theme.tcp } },
    { selector: 'edge[health = "idle"]', style: { width: 1.5 } },
    { selector: '.gap', style: { visibility: 'hidden' } },
    { selector: '.dim', style: { opacity: 0.25 } },
    { selector: 'node.dim[shape = "box"]', style: { opacity: 1, 'text-opacity': 0.35, 'background-opacity': 0.4, 'border-opacity': 0.4 } },
    { selector: 'node.lit[shape != "box"]', style: { 'border-width': 4 } },
    { selector: 'edge.lit', style: { width: 4 } },
    { selector: 'node.hovered, node.cursor', style: { 'font-size': 24 * text, 'z-index': 20, 'text-background-opacity': 1 } },
    { selector: 'edge.hovered', style: { 'font-size': 22 * text, 'z-index': 20, 'text-background-opacity': 1 } },
    { selector: 'node.found', style: { 'underlay-color': theme.degraded, 'underlay-opacity': 0.5, 'underlay-padding': 9, 'underlay-shape': 'ellipse' } },
    { selector: 'edge.found', style: { 'underlay-color': theme.degraded, 'underlay-opacity': 0.5, 'underlay-padding': 5 } },
    { selector: 'node.chosen', style: { 'underlay-color': theme.accent, 'underlay-opacity': 0.35, 'underlay-padding': 8, 'underlay-shape': 'roundrectangle' } },
    { selector: 'edge.chosen', style: { 'underlay-color': theme.accent, 'underlay-opacity': 0.35, 'underlay-padding': 5 } },
    { selector: 'edge.cursor', style: { 'underlay-color': theme.accent, 'underlay-opacity': 0.5, 'underlay-padding': 4 } },
    { selector: 'node.cursor', style: { 'outline-width': 3, 'outline-color': theme.accent, 'outline-offset': 3, 'outline-style': 'dashed' } },
  ];
}
