/** The graph page: brings together state, server, drawing, panel and toolbar. */
import { Animation } from './animation.js';
import { ApiError, get, graphParams, nodeParams, zoomPath } from './api.js';
import { Changes } from './changes.js';
import { byId, h } from './dom.js';
import { build } from './elements.js';
import { FindError, compile } from './find.js';
import { clock, duration } from './format.js';
import { GraphView } from './graph-view.js';
import { drawLegend } from './legend.js';
import { Padlocks } from './padlocks.js';
import { Poller, waitFor } from './poller.js';
import { SidePanel } from './side-panel.js';
import { Store, parse, serialize, windowOf } from './state.js';
import { sentence, tables } from './summary.js';
import { lessMotion } from './theme.js';
import { toolbar } from './toolbar.js';

/** Changes of these need new data; others only a new drawing. */
const SERVER_KEYS = ['namespaces', 'graphType', 'duration', 'injectServiceNodes', 'idleNodes', 'includeIdleEdges', 'operationNodes', 'focus', 'boxByNamespace', 'boxByCluster', 'security', 'waypoints', 'weights'];
/** Changes of these are steps that the browser's Back undoes. */
const STEP_KEYS = ['namespaces', 'graphType', 'focus'];

const store = new Store(parse(location.search));
// Nothing moves by itself for people who asked their system for less motion; the display menu still turns it on.
if (lessMotion()) store.set({ animation: false });
/** @type {any} the last graph that the server sent */
let graph = null;
/** @type {any} the last one that was not zoomed */
let whole = null;
/** @type {any[]} configured weights and observed shares, while they are shown */
let weights = [];
/** @type {import('./elements.js').Model} */
let model = { nodes: [], edges: [], byId: new Map(), hidden: 0, focusTitle: '' };
/** @type {any} */
let details = null;
/** @type {ApiError | null} */
let detailsError = null;
/** @type {AbortController | null} */
let detailsRequest = null;
let spoken = '';
/** The address named no namespace, and nobody has chosen one yet. */
let undecided = store.view.namespaces.length === 0;

/** @type {any} what the server is set up for */
let config = null;

const live = byId('live');
const say = (/** @type {string} */ text) => { live.textContent = text; };

const view = new GraphView(byId('graph'), {
  select: (id) => store.set({ select: id }),
  zoomInto: (id) => store.set({ focus: id, select: id }),
  say,
  lookup: (id) => model.byId.get(id),
});
const animation = new Animation(view.cy, /** @type {HTMLCanvasElement} */ (byId('dots')), (requests) => {
  byId('thinned').textContent = requests > 1 ? `There are many requests: each dot stands for ${requests}.` : '';
});
new Padlocks(view.cy, /** @type {HTMLCanvasElement} */ (byId('padlocks')));
const panel = new SidePanel(byId('panel-content'), (id) => store.set({ select: id }), (id) => store.set({ focus: id, select: id }));
const controls = toolbar(store, () => { poller.now(); });

/** @param {'find' | 'hide'} key @returns {import('./find.js').Predicate | null} */
function predicate(key) {
  try {
    const result = compile(store.view[key]);
    controls.problem(key, '');
    return result;
  } catch (error) {
    if (!(error instanceof FindError)) throw error;
    controls.problem(key, error.message);
    return null;
  }
}

function draw() {
  if (!graph) return;
  model = build(graph, store.view, predicate('hide'), weights);
  view.update(model);
  animation.update(model);
  mark();
  view.choose(store.view.select);
  const from = graph.timestamp - graph.duration;
  byId('when').textContent = `${clock(from)} – ${clock(graph.timestamp)}`;
  byId('crumb').hidden = !model.focusTitle;
  byId('crumb-text').textContent = model.focusTitle;
  byId('tables').replaceChildren(...(store.view.table ? [tables(model, (id) => store.set({ select: id }))] : []));
  byId('table').hidden = !store.view.table;
  const text = sentence(model, store.view);
  byId('graph').setAttribute('aria-label', `${text} Use the arrow keys to go from node to node.`);
  if (text !== spoken) say(spoken = text);
  empty();
  renderPanel();
}

function mark() {
  const find = predicate('find');
  const count = view.markFound(model, find);
  byId('find-count').textContent = find ? `${count} found` : '';
}

function empty() {
  const card = byId('empty');
  const reason = graph?.c756?.empty;
  const none = model.nodes.length === 0;
  card.hidden = !none;
  if (none) {
    const text = store.view.namespaces.length === 0
      ? { message: 'No namespace is chosen.', cure: 'Choose one at the top left.' }
      : model.hidden ? { message: 'The Hide expression hides everything.', cure: 'Clear the Hide field.' } : reason ?? { message: 'There is nothing to draw.', cure: '' };
    byId('empty-title').textContent = `No graph for ${store.view.namespaces.join(', ') || 'no namespace'}`;
    byId('empty-reason').textContent = text.message;
    byId('empty-cure').textContent = text.cure ?? '';
    byId('empty-idle').hidden = store.view.idleNodes || reason?.reason !== 'noTraffic';
  }
  const notices = [...(graph?.c756?.warnings ?? [])];
  if (!none && reason) notices.unshift(reason);
  byId('notices').replaceChildren(...notices.map((/** @type {any} */ notice) => h('li', { dataset: { reason: notice.reason } }, `${notice.message} `, notice.cure ? h('span', { class: 'cure', text: notice.cure }) : null)));
  makeRoom();
}

function renderPanel() {
  byId('panel').classList.toggle('closed', !store.view.panel);
  byId('panel-toggle').setAttribute('aria-expanded', String(store.view.panel));
  byId('panel-toggle-text').textContent = store.view.panel ? 'Hide' : 'Show';
  byId('panel-content').hidden = !store.view.panel;
  if (store.view.panel && graph) panel.render({ model, view: store.view, drawn: model.byId.get(store.view.select), details, error: detailsError, changes: changes.within(graph.timestamp - graph.duration, graph.timestamp) });
}

/** @returns {[string, Record<string, any>]} address and parameters of the details of what is selected */
function detailsQuery() {
  const drawn = model.byId.get(store.view.select);
  // The same instant as the picture, so that numbers agree.
  const common = { duration: `${graph.duration}s`, queryTime: graph.timestamp };
  if (!drawn) return ['api/c756/details/graph', { ...common, namespaces: store.view.namespaces.join(',') }];
  if (drawn.kind === 'node') return ['api/c756/details/node', { ...common, ...nodeParams(drawn.data) }];
  const [source, target] = [drawn.data.source, drawn.data.target].map((id) => graph.elements.nodes.find((/** @type {any} */ node) => node.data.id === id).data);
  return ['api/c756/details/edge', { ...common, ...nodeParams(source, 'source.'), ...nodeParams(target, 'dest.'), protocol: drawn.data.traffic?.protocol }];
}

/** @param {boolean} fresh nothing that is shown may stay while the answer is awaited */
async function loadDetails(fresh) {
  // Pictures may come faster than details are made: what is under way for the same subject is let come to its end.
  if (detailsRequest && !fresh) return;
  detailsRequest?.abort();
  detailsRequest = null;
  if (!store.view.panel || !graph || store.view.namespaces.length === 0) return;
  const mine = new AbortController();
  detailsRequest = mine;
  if (fresh) {
    details = null;
    detailsError = null;
    renderPanel();
  }
  try {
    const answer = await get(...detailsQuery(), mine.signal);
    if (mine.signal.aborted) return;
    [details, detailsError] = [answer, null];
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    [details, detailsError] = [null, error];
  }
  detailsRequest = null;
  renderPanel();
}

const banner = byId('banner');

/** @param {ApiError} error */
function complain(error) {
  const wait = waitFor(store.view.refresh, poller.failures + 1);
  banner.hidden = false;
  banner.replaceChildren(
    h('strong', { text: `${error.message.replace(/\.$/, '')}. ` }), error.cure ? `${error.cure} ` : '',
    graph ? `The picture is that of ${clock(graph.timestamp)}. ` : '',
    Number.isFinite(wait) ? `Next try in ${duration(wait / 1000)}.` : 'Refreshing is paused: press the blue button to try again.',
  );
  document.body.classList.toggle('stale', Boolean(graph));
}

const poller = new Poller(async (signal) => {
  if (!config) await learn(signal);
  if (undecided) await chooseNamespaces(signal);
  const button = byId('refresh');
  button.classList.add('busy');
  byId('graph').setAttribute('aria-busy', 'true');
  try {
    if (store.view.namespaces.length === 0) graph = { timestamp: Date.now() / 1000, duration: store.view.duration, elements: { nodes: [], edges: [] } };
    else await ask(signal);
    banner.hidden = true;
    document.body.classList.remove('stale');
  } catch (error) {
    if (!signal.aborted && error instanceof ApiError) complain(error);
    throw error;
  } finally {
    if (!signal.aborted) {
      button.classList.remove('busy');
      byId('graph').setAttribute('aria-busy', 'false');
    }
  }
  draw();
  // Not awaited: the next picture must not wait for the panel's numbers.
  loadDetails(false);
}, store.view.refresh);

/** What was changed in the cluster; a change is drawn at once, not only when the next picture is due. */
const changes = new Changes(() => store.view.namespaces, () => {
  // Who has paused the page looks at something; and what is under way must be let come to its end.
  if (store.view.refresh > 0 && !poller.current) poller.now();
});

/**
 * The picture that is wanted now: of everything, or of one node.
 * @param {AbortSignal} signal
 */
async function ask(signal) {
  const { view } = store;
  if (view.duration === 0) await changes.look(signal);
  const params = graphParams(view, windowOf(view.duration, Date.now() / 1000, changes.list));
  const shares = view.weights ? get('api/c756/weights', { namespaces: params.namespaces, duration: params.duration }, signal) : [];
  const everything = () => get('api/namespaces/graph', params, signal);
  const node = (/** @type {any} */ of) => of?.elements.nodes.find((/** @type {any} */ one) => one.data.id === view.focus)?.data;
  let picture = view.focus && node(whole) ? null : await everything();
  if (picture) whole = picture;
  const path = view.focus && node(whole) ? zoomPath(node(whole)) : null;
  if (path) picture = await get(path, { ...params, namespaces: undefined }, signal);
  // What has no zoomed graph of its own, or no traffic in it, is cut out of the whole.
  if (!picture || (path && !node(picture))) picture = whole = await everything();
  [graph, weights] = [picture, await shares];
}

/** @param {AbortSignal} signal */
async function learn(signal) {
  try {
    config = await get('api/config', {}, signal);
    drawLegend(byId('legend-content'), config.c756.health);
  } catch (error) {
    if (!signal.aborted && error instanceof ApiError) complain(error);
    throw error;
  }
}

/** Which namespaces there are; when the address names none, those that the server is set up for. @param {AbortSignal} signal */
async function chooseNamespaces(signal) {
  try {
    const list = await get('api/namespaces', {}, signal);
    const names = list.map((/** @type {any} */ one) => one.name);
    controls.namespaces(names);
    const wanted = (config.c756?.defaultNamespaces ?? []).filter((/** @type {string} */ name) => names.includes(name));
    undecided = false;
    quietly({ namespaces: wanted.length ? wanted : config.c756?.defaultNamespaces ?? names.slice(0, 1) });
  } catch (error) {
    if (!signal.aborted && error instanceof ApiError) complain(error);
    throw error;
  }
}

/** Changes the state without asking the server again. @param {Partial<import('./state.js').View>} patch */
function quietly(patch) {
  silent = true;
  store.set(patch);
  silent = false;
}
let silent = false;
let fromHistory = false;

store.subscribe((next, changed) => {
  controls.show(next);
  const address = `${location.pathname}${serialize(next)}`;
  if (!fromHistory) {
    if (!silent && STEP_KEYS.some((key) => changed.has(key))) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }
  byId('metrics-link').setAttribute('href', metricsAddress());
  animation.switch(next.animation);
  byId('thinned').hidden = !next.animation;
  showLegend();
  for (const [id, key] of /** @type {const} */ ([['show-legend', 'legend'], ['show-table', 'table']])) byId(id).setAttribute('aria-pressed', String(next[key]));
  if (silent) return;
  if (changed.has('refresh')) poller.every(next.refresh);
  const labels = changed.has('edges') && JSON.stringify(graphParams(next)) !== lastParams;
  if (labels || SERVER_KEYS.some((key) => changed.has(key))) {
    details = null;
    detailsRequest?.abort();
    detailsRequest = null;
    // At once, what is known: the zoomed picture cut out of the whole one, and back.
    if (changed.has('focus') && whole) graph = whole;
    if (changed.has('namespaces') || changed.has('graphType')) whole = null;
    draw();
    lastParams = JSON.stringify(graphParams(next));
    poller.now();
    return;
  }
  draw();
  if (changed.has('select') || changed.has('panel')) loadDetails(true);
});
let lastParams = JSON.stringify(graphParams(store.view));

function metricsAddress() {
  const { namespaces, duration: span, refresh } = store.view;
  return `metrics?${new URLSearchParams({ ...(namespaces.length === 1 ? { 'var-namespace': namespaces[0] } : {}), duration: String(span), refresh: String(refresh) })}`;
}

addEventListener('popstate', () => {
  fromHistory = true;
  store.set(parse(location.search));
  fromHistory = false;
});
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (store.view.table) byId('table-close').click();
  else if (store.view.select) store.set({ select: '' });
  else if (store.view.focus) store.set({ focus: '' });
});

byId('zoom-in').addEventListener('click', () => view.zoomBy(1.25));
byId('zoom-out').addEventListener('click', () => view.zoomBy(0.8));
byId('fit').addEventListener('click', () => view.fit());
byId('layout').addEventListener('click', () => view.relayout());
byId('show-legend').addEventListener('click', () => store.set({ legend: !store.view.legend }));
byId('legend-close').addEventListener('click', () => { store.set({ legend: false }); byId('show-legend').focus(); });
byId('show-table').addEventListener('click', () => store.set({ table: !store.view.table }));
byId('table-close').addEventListener('click', () => { store.set({ table: false }); byId('show-table').focus(); });
byId('crumb-back').addEventListener('click', () => store.set({ focus: '', select: '' }));
byId('panel-toggle').addEventListener('click', () => store.set({ panel: !store.view.panel }));
byId('skip').addEventListener('click', (event) => {
  // A fragment would be resolved against <base> and lose the view.
  event.preventDefault();
  byId('graph').focus();
});
byId('empty-idle').addEventListener('click', () => store.set({ idleNodes: true }));

controls.show(store.view);
controls.namespaces([]);
animation.switch(store.view.animation);
byId('thinned').hidden = !store.view.animation;
showLegend();
byId('metrics-link').setAttribute('href', metricsAddress());
renderPanel();
poller.now();
changes.watch();
if (store.view.namespaces.length) {
  get('api/namespaces').then((list) => controls.namespaces(list.map((/** @type {any} */ one) => one.name)), (error) => {
    // The graph request tells of the same trouble, with the cure; here only the list of other namespaces is missing.
    if (!(error instanceof ApiError)) throw error;
  });
}

/** The picture keeps clear of the legend, and of notices above it. */
function makeRoom() {
  const legend = byId('legend');
  const above = byId('notices').childElementCount ? byId('notices').parentElement : null;
  view.inset({ left: legend.hidden ? 0 : legend.offsetWidth, top: above ? above.offsetTop + above.offsetHeight + 10 : 0 });
}

function showLegend() {
  const legend = byId('legend');
  legend.hidden = !store.view.legend;
  makeRoom();
}

/** For the console, the bench and the tests. */
Object.assign(window, { c756: { store, view, animation, changes, cy: view.cy, model: () => model, graph: () => graph } });
