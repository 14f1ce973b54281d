/** The metrics page: dashboards of the mesh and of the services, with the graph page's window and refresh. */
import { ApiError, get } from './api.js';
import { card } from './dashboard.js';
import { byId, h } from './dom.js';
import { clock, duration } from './format.js';
import { Poller, waitFor } from './poller.js';
import { DURATIONS, REFRESH } from './state.js';

/** The view is in the address: dashboard, duration, refresh and var-NAME as in Grafana. */
const params = new URLSearchParams(location.search);
/** The dashboard that is shown when the address names none. */
const FIRST = 'c756-services';
/** @type {Map<string, string>} */
let descriptions = new Map();
/** @type {any} the last dashboard that the server sent */
let board = null;

const pick = (/** @type {string} */ key, /** @type {number[]} */ allowed, /** @type {number} */ fallback) => {
  const value = Number(params.get(key) ?? NaN);
  return allowed.includes(value) ? value : fallback;
};
let span = pick('duration', DURATIONS, 600);
let pause = pick('refresh', REFRESH, 15000);

const select = {
  dashboard: /** @type {HTMLSelectElement} */ (byId('dashboard')),
  duration: /** @type {HTMLSelectElement} */ (byId('duration')),
  refresh: /** @type {HTMLSelectElement} */ (byId('refresh-interval')),
};

/** @param {string} key @param {string} value */
function remember(key, value) {
  params.set(key, value);
  history.replaceState(null, '', `${location.pathname}?${params}`);
}

/** @param {AbortSignal} signal */
async function dashboards(signal) {
  if (select.dashboard.options.length) return;
  const list = await get('api/c756/dashboards', {}, signal);
  if (!list.length) throw new ApiError('There are no dashboards', { reason: 'notFound', cure: 'They stand in cluster/dashboards/*.json.' });
  select.dashboard.replaceChildren(...list.map((/** @type {any} */ one) => h('option', { value: one.uid, text: one.title })));
  descriptions = new Map(list.map((/** @type {any} */ one) => [one.uid, one.description]));
  const wanted = [params.get('dashboard'), FIRST].find((uid) => uid && descriptions.has(uid));
  if (wanted) select.dashboard.value = wanted;
}

function variables() {
  byId('variables').replaceChildren(...board.variables.map((/** @type {any} */ variable) => {
    const choice = h('select', { id: `var-${variable.name}` });
    if (variable.includeAll) choice.append(h('option', { value: '$__all', text: 'All' }));
    choice.append(...variable.options.filter((/** @type {string} */ value) => value !== '$__all').map((/** @type {string} */ value) => h('option', { value, text: value })));
    choice.value = variable.includeAll && (variable.current.length !== 1 || variable.current[0] === 'All') ? '$__all' : variable.current[0] ?? '';
    choice.addEventListener('change', () => {
      remember(`var-${variable.name}`, choice.value);
      poller.now();
    });
    return h('label', { class: 'field' }, h('span', { text: variable.label || variable.name }), choice);
  }));
}

function draw() {
  const panels = byId('panels');
  const focused = document.activeElement?.id;
  const open = new Set([...panels.querySelectorAll('details[open]')].map((element) => /** @type {HTMLElement} */ (element.closest('[data-panel]'))?.dataset.panel));
  byId('title').textContent = board.title;
  byId('description').textContent = descriptions.get(board.uid) ?? '';
  byId('when').textContent = `${clock(board.timestamp - span)} – ${clock(board.timestamp)}`;
  const width = panels.clientWidth / 24;
  panels.replaceChildren(...board.panels.map((/** @type {any} */ panel) => card(panel, width, open.has(String(panel.id)), [board.timestamp - span, board.timestamp])));
  variables();
  if (focused) document.getElementById(focused)?.focus();
}

/** @param {ApiError} error */
function complain(error) {
  const wait = waitFor(pause, poller.failures + 1);
  byId('banner').hidden = false;
  byId('banner').replaceChildren(h('strong', { text: `${error.message.replace(/\.$/, '')}. ` }), `${error.cure ?? ''} `,
    Number.isFinite(wait) ? `Next try in ${duration(wait / 1000)}.` : 'Refreshing is paused: press the blue button to try again.');
}

const poller = new Poller(async (signal) => {
  const button = byId('refresh');
  button.classList.add('busy');
  try {
    await dashboards(signal);
    const chosen = Object.fromEntries([...params].filter(([key]) => key.startsWith('var-')));
    board = await get(`api/c756/dashboards/${encodeURIComponent(select.dashboard.value)}`, { duration: `${span}s`, ...chosen }, signal);
    byId('banner').hidden = true;
  } catch (error) {
    if (!signal.aborted && error instanceof ApiError) complain(error);
    throw error;
  } finally {
    if (!signal.aborted) button.classList.remove('busy');
  }
  draw();
}, pause);

select.duration.append(...DURATIONS.map((seconds) => h('option', { value: seconds, text: `Last ${duration(seconds)}` })));
select.refresh.append(...REFRESH.map((ms) => h('option', { value: ms, text: ms ? `Every ${duration(ms / 1000)}` : 'Pause' })));
select.duration.value = String(span);
select.refresh.value = String(pause);
select.dashboard.addEventListener('change', () => {
  for (const key of [...params.keys()]) if (key.startsWith('var-')) params.delete(key);
  remember('dashboard', select.dashboard.value);
  byId('live').textContent = `Dashboard ${select.dashboard.selectedOptions[0]?.text}`;
  poller.now();
});
select.duration.addEventListener('change', () => {
  span = Number(select.duration.value);
  remember('duration', select.duration.value);
  poller.now();
});
select.refresh.addEventListener('change', () => {
  pause = Number(select.refresh.value);
  remember('refresh', select.refresh.value);
  poller.every(pause);
});
byId('refresh').addEventListener('click', () => { poller.now(); });
let resizing = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => { if (board) draw(); });
});
poller.now();
