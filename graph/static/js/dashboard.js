/** Panels of a dashboard (Grafana's kinds: row, timeseries, stat, gauge, table, text) as elements. */
import { h } from './dom.js';
import { inUnit } from './format.js';
import { timeSeries } from './plots.js';

/** @typedef {{id: number, type: string, title: string, description?: string, gridPos: {x: number, y: number, w: number, h: number}, unit: string, content?: string, queries: string[], series: {name: string, labels: Record<string, string>, points: [number, number | null][]}[], thresholds?: {value: number | null, color: string}[], error: null | {reason: string, message: string}}} Panel */

/**
 * @param {number | null} value
 * @param {{value: number | null, color: string}[]} [thresholds] ascending; the first has no value
 * @returns {string} the colour's name, '' without thresholds
 */
export function thresholdColour(value, thresholds = []) {
  if (value === null) return '';
  let colour = '';
  for (const step of thresholds) if (step.value === null || value >= step.value) colour = step.color;
  return colour.replace(/^(semi-|super-|dark-|light-)+/, '');
}

/** @param {Panel} panel @returns {number | null} @param {number} i */
const latest = (panel, i) => panel.series[i]?.points[panel.series[i].points.length - 1]?.[1] ?? null;

/**
 * Columns of a table panel: labels that differ between its rows, then the value.
 * @param {Panel} panel
 * @returns {{columns: string[], rows: string[][]}}
 */
export function tableOf(panel) {
  const keys = [...new Set(panel.series.flatMap(({ labels }) => Object.keys(labels ?? {})))].filter((key) => key !== '__name__');
  const columns = keys.length ? keys : ['Name'];
  return {
    columns: [...columns.map((key) => key.replaceAll('_', ' ')), 'Value'],
    rows: panel.series.map((series, i) => [...columns.map((key) => (keys.length ? series.labels?.[key] ?? '' : series.name)), inUnit(latest(panel, i), panel.unit)]),
  };
}

/** @param {Panel} panel @param {number} width pixels that one of the 24 columns has @param {[number, number]} range of the window */
function body(panel, width, range) {
  if (panel.error) return h('p', { class: 'note problem', text: panel.error.message });
  switch (panel.type) {
    case 'row': return null;
    case 'text': return h('div', {}, ...String(panel.content ?? '').split(/\n{2,}/).map((text) => h('p', { text: text.replace(/^#+ /, '').replace(/[*`]/g, '') })));
    case 'stat':
    case 'gauge':
      if (!panel.series.length) return h('p', { class: 'note', text: 'No data in this window.' });
      return h('div', { class: 'stats' }, ...panel.series.map((series, i) => {
        const value = latest(panel, i);
        return h('p', { class: `value ${thresholdColour(value, panel.thresholds)}` }, inUnit(value, panel.unit), series.name && series.name !== panel.title ? h('small', { text: series.name }) : null);
      }));
    case 'table': {
      if (!panel.series.length) return h('p', { class: 'note', text: 'No data in this window.' });
      const { columns, rows } = tableOf(panel);
      const last = columns.length - 1;
      return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': panel.title }, h('table', {},
        h('thead', {}, h('tr', {}, ...columns.map((text, i) => h('th', { scope: 'col', class: i === last ? 'number' : undefined, text })))),
        h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((text, i) => h('td', { class: i === last ? 'number' : undefined, text })))))));
    }
    default: {
      const figure = timeSeries({
        title: panel.title, range, format: (value) => inUnit(value, panel.unit), series: panel.series.map(({ name, points }) => ({ name, points })),
        binary: /bytes|bps/i.test(panel.unit), width: Math.max(260, width * panel.gridPos.w - 40), height: Math.max(120, 30 * panel.gridPos.h - 60),
      });
      figure.querySelector('figcaption')?.classList.add('hidden');
      return figure;
    }
  }
}

/**
 * @param {Panel} panel
 * @param {number} width pixels of one of the 24 columns
 * @param {boolean} open show the queries
 * @param {[number, number]} range of the window, unix seconds
 * @returns {HTMLElement}
 */
export function card(panel, width, open, range) {
  const { x, w } = panel.gridPos;
  const element = h('section', { class: `card ${panel.type}`, 'aria-label': panel.title, dataset: { panel: panel.id } },
    panel.title ? h('h2', { text: panel.title, title: panel.description }) : null, body(panel, width, range),
    panel.queries?.length ? h('details', { open }, h('summary', { text: 'Query' }), ...panel.queries.map((text) => h('code', { text }))) : null);
  element.style.gridColumn = panel.type === 'row' ? '1 / -1' : `${Math.min(24, x + 1)} / span ${Math.min(24 - x, w)}`;
  return element;
}
