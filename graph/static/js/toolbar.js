/** The controls above the graph, bound to the view's state: what is chosen shows in the state, what the state says shows here. */
import { byId, h } from './dom.js';
import { OPERANDS, WORDS } from './find.js';
import { duration } from './format.js';
import { popover } from './popover.js';
import { DURATIONS, EDGE_LABELS, GRAPH_TYPES, REFRESH, toggleLabel } from './state.js';

/** @typedef {import('./state.js').Store} Store */
/** @typedef {import('./state.js').View} View */

/** Check boxes of the display menu: key of the state, words, what they mean. */
const SHOW = /** @type {[keyof View, string, string][]} */ ([
  ['compressed', 'Compressed hide', 'Hidden elements leave no gap'],
  ['includeIdleEdges', 'Idle edges', 'Edges that had no traffic in the window'],
  ['idleNodes', 'Idle nodes', 'Services and workloads without traffic in the window'],
  ['operationNodes', 'Operation nodes', 'One node per operation, where the metrics name operations'],
  ['injectServiceNodes', 'Service nodes', 'Each service as a triangle before its workloads'],
  ['boxByNamespace', 'Namespace boxes', 'A box around each of several namespaces'],
  ['boxByCluster', 'Cluster boxes', 'A box around each of several clusters'],
  ['waypoints', 'Waypoint proxies', 'Of the ambient mesh'],
  ['rank', 'Rank', '1 for what most nodes ask'],
  ['animation', 'Traffic animation', 'A dot per request, a red square per failure'],
]);
const BADGES = /** @type {[keyof View, string, string][]} */ ([
  ['badgeSidecars', 'Missing sidecars', 'Workloads whose pods have no sidecar'],
  ['badgeVS', 'Virtual services', 'Services that a VirtualService routes to'],
  ['security', 'Security', 'A padlock, and how much of an edge is mutual TLS'],
  ['weights', 'Weights', 'On edges to versions: the share that is set, and the share that was seen'],
]);
const GROUPS = /** @type {Record<string, string>} */ ({ responseTime: 'Response time', throughput: 'Throughput' });

/**
 * @param {Store} store
 * @param {string} id of the state's key and of the input
 * @param {string} text
 * @param {string} help
 */
function checkbox(store, id, text, help) {
  const input = h('input', { type: 'checkbox', id: `show-${id}`, 'aria-describedby': `help-${id}` });
  input.addEventListener('change', () => store.set({ [id]: input.checked }));
  return h('label', { class: 'check' }, input, h('span', {}, text, h('small', { id: `help-${id}`, text: help })));
}

/** @param {Store} store */
function displayMenu(store) {
  const menu = byId('display-menu');
  const labels = h('fieldset', {}, h('legend', { text: 'Show edge labels' }));
  let group = null;
  for (const [key, kind, text] of EDGE_LABELS) {
    if (kind && kind !== group) labels.append(h('p', { class: 'group', text: GROUPS[kind] }));
    group = kind;
    // A group allows one at a time, and none: boxes that put each other out, not radio buttons that cannot be cleared.
    const input = h('input', { type: 'checkbox', id: `edge-${key}` });
    input.addEventListener('change', () => store.set({ edges: toggleLabel(store.view.edges, key, input.checked) }));
    labels.append(h('label', { class: kind ? 'check inner' : 'check' }, input, h('span', { text })));
  }
  menu.append(
    labels,
    h('fieldset', {}, h('legend', { text: 'Show badges' }), ...BADGES.map(([key, text, help]) => checkbox(store, key, text, help))),
    h('fieldset', {}, h('legend', { text: 'Show' }), ...SHOW.map(([key, text, help]) => checkbox(store, key, text, help))),
  );
  popover(byId('display'), menu);
}

/**
 * @param {HTMLSelectElement} select
 * @param {readonly (readonly [string | number, string])[]} options
 * @param {(value: string) => void} chosen
 */
function fill(select, options, chosen) {
  select.append(...options.map(([value, text]) => h('option', { value, text })));
  select.addEventListener('change', () => chosen(select.value));
}

/** @param {Store} store @param {'find' | 'hide'} key */
function expression(store, key) {
  const input = /** @type {HTMLInputElement} */ (byId(key));
  const clear = byId(`${key}-clear`);
  input.addEventListener('change', () => store.set({ [key]: input.value.trim() }));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') store.set({ [key]: input.value.trim() });
    else if (event.key === 'Escape' && input.value) {
      event.stopPropagation();
      input.value = '';
      store.set({ [key]: '' });
    }
  });
  clear.addEventListener('click', () => {
    input.value = '';
    store.set({ [key]: '' });
    input.focus();
  });
}

function findHelp() {
  const panel = byId('find-help-panel');
  const list = (/** @type {Record<string, {on: string, help: string}>} */ entries) => h('dl', {}, ...Object.entries(entries).flatMap(([name, { on, help }]) => [h('dt', {}, h('code', { text: name })), h('dd', { text: `${help}${on === 'both' ? '' : ` (${on}s)`}` })]));
  panel.append(
    h('h3', { text: 'Find and hide' }),
    h('p', {}, 'Find marks, Hide takes away. Press Enter to apply. Examples: ', ...['name = cmpt756s2', '%error > 10', 'node = service', 'app *= cmpt and version = v2', '!healthy', 'idle or unknown'].flatMap((text) => [h('code', { text }), ' · ']).slice(0, -1), '.'),
    h('p', { text: 'Compare with =, !=, <, <=, >, >=, *= (contains), ^= (starts with), $= (ends with) and !*=, !^=, !$=. Join with and, or, not (!) and parentheses. Quote values with blanks.' }),
    h('h4', { text: 'Words' }), list(WORDS), h('h4', { text: 'To compare' }), list(OPERANDS),
  );
  popover(byId('find-help'), panel);
}

/**
 * @param {Store} store
 * @param {() => void} refresh the blue button
 * @returns {{show: (view: View) => void, namespaces: (names: string[]) => void, problem: (key: 'find' | 'hide', text: string) => void}}
 */
export function toolbar(store, refresh) {
  const type = /** @type {HTMLSelectElement} */ (byId('graph-type'));
  const span = /** @type {HTMLSelectElement} */ (byId('duration'));
  const pause = /** @type {HTMLSelectElement} */ (byId('refresh-interval'));
  fill(type, GRAPH_TYPES, (value) => store.set({ graphType: value, focus: '', select: '' }));
  fill(span, DURATIONS.map((seconds) => [seconds, seconds ? `Last ${duration(seconds)}` : 'Since the last change']), (value) => store.set({ duration: Number(value) }));
  fill(pause, REFRESH.map((ms) => [ms, ms ? `Every ${duration(ms / 1000)}` : 'Pause']), (value) => store.set({ refresh: Number(value) }));
  byId('refresh').addEventListener('click', refresh);
  displayMenu(store);
  expression(store, 'find');
  expression(store, 'hide');
  findHelp();
  popover(byId('namespace'), byId('namespace-menu'));

  const show = (/** @type {View} */ view) => {
    type.value = view.graphType;
    span.value = String(view.duration);
    pause.value = String(view.refresh);
    for (const [key] of EDGE_LABELS) /** @type {HTMLInputElement} */ (byId(`edge-${key}`)).checked = view.edges.includes(key);
    for (const [key] of [...SHOW, ...BADGES]) /** @type {HTMLInputElement} */ (byId(`show-${key}`)).checked = Boolean(view[key]);
    for (const key of /** @type {const} */ (['find', 'hide'])) {
      const input = /** @type {HTMLInputElement} */ (byId(key));
      if (document.activeElement !== input) input.value = view[key];
      byId(`${key}-clear`).hidden = !view[key];
    }
    byId('namespace-text').textContent = view.namespaces.length === 0 ? 'none chosen' : view.namespaces.length > 2 ? `${view.namespaces.length} chosen` : view.namespaces.join(', ');
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (byId('namespace-menu').querySelectorAll('input'))) input.checked = view.namespaces.includes(input.value);
  };

  const namespaces = (/** @type {string[]} */ names) => {
    const all = [...new Set([...names, ...store.view.namespaces])].sort();
    byId('namespace-menu').replaceChildren(h('fieldset', {}, h('legend', { text: 'Namespaces' }), ...all.map((name) => {
      const input = h('input', { type: 'checkbox', value: name });
      input.addEventListener('change', () => {
        const chosen = new Set(store.view.namespaces);
        if (input.checked) chosen.add(name);
        else chosen.delete(name);
        store.set({ namespaces: [...chosen].sort(), focus: '', select: '' });
      });
      return h('label', { class: 'check' }, input, h('span', { text: name }));
    })));
    show(store.view);
  };

  const problem = (/** @type {'find' | 'hide'} */ key, /** @type {string} */ text) => {
    const place = byId(`${key}-problem`);
    place.textContent = text;
    place.hidden = !text;
    byId(key).setAttribute('aria-invalid', String(Boolean(text)));
  };
  return { show, namespaces, problem };
}
