/** What a VirtualService asks for beside what was observed, with the interval in which the true share lies. */
import { h, svg } from './dom.js';
import { number, percent } from './format.js';

const VERDICTS = /** @type {Record<string, string>} */ ({
  agrees: 'agrees', above: 'more than configured', below: 'less than configured', noTraffic: 'no traffic', notComparable: 'not comparable',
});

/**
 * A scale from 0 to 100 %: the bar is the observed share, the whisker its interval, the flag the configured weight.
 * @param {number} weight percent
 * @param {{percent: number, low: number, high: number} | null} observed
 */
function gauge(weight, observed) {
  const x = (/** @type {number} */ value) => 4 + value * 1.12;
  const parts = [svg('line', { class: 'axis', x1: x(0), x2: x(100), y1: 14, y2: 14 })];
  if (observed) {
    parts.push(
      svg('rect', { class: 'seen', x: x(0), y: 7, width: Math.max(0, observed.percent * 1.12), height: 7 }),
      svg('path', { class: 'whisker', d: `M${x(observed.low)} 7v7M${x(observed.high)} 7v7M${x(observed.low)} 10.5H${x(observed.high)}` }),
    );
  }
  parts.push(svg('path', { class: 'flag', d: `M${x(weight)} 14v-8l-3.5 -5h7l-3.5 5` }));
  return svg('svg', { class: 'gauge', viewBox: '0 0 120 16', 'aria-hidden': 'true' }, ...parts);
}

/**
 * Which requests a table of routes is for: a VirtualService binds gateways of the cluster, the sidecars of the mesh, or both.
 * @param {any} route
 */
export function wayIn(route) {
  const gateways = (route.gateways ?? ['mesh']).filter((/** @type {string} */ name) => name !== 'mesh');
  const inside = (route.via ?? []).includes('mesh') ? ['from inside the mesh'] : [];
  const words = [...(gateways.length ? [`through the gateway ${gateways.join(', ')}`] : []), ...inside].join(' and ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {any} data `routing` of the details */
export function routing(data) {
  return h('section', { class: 'routing', 'aria-label': 'Configured weights and observed shares' },
    h('h3', { text: 'Routing: configured and observed' }),
    ...(data.routes ?? []).map((/** @type {any} */ route) => h('div', { class: 'route' },
      h('h4', {}, wayIn(route), h('span', { class: 'tag', text: `VS ${route.virtualService}${route.delegate ? ` → ${route.delegate}` : ''}` })),
      h('p', { class: 'match', text: [`Match: ${route.match}`, route.fault && `fault: ${route.fault}`, route.timeout && `timeout: ${route.timeout}`, route.mirror && `mirror: ${route.mirror}`].filter(Boolean).join(' · ') }),
      h('table', {}, h('thead', {}, h('tr', {}, ...['To', 'Weight', 'Observed', `${number((data.confidence ?? 0.95) * 100, 0)}% interval`].map((text) => h('th', { scope: 'col', text })))),
        h('tbody', {}, ...(route.destinations ?? []).flatMap((/** @type {any} */ to) => [
          h('tr', {}, h('th', { scope: 'row', text: to.subset ?? to.version ?? to.host }), h('td', { text: percent(to.weight) }),
            h('td', { text: to.observed ? percent(to.observed.percent) : '–' }), h('td', { text: to.observed ? `${number(to.observed.low, 1)}–${percent(to.observed.high)}` : '–' })),
          h('tr', { class: `verdict ${to.verdict}` }, h('td', { colspan: 4 }, to.observed ? gauge(to.weight, to.observed) : null,
            h('span', { text: `${VERDICTS[to.verdict] ?? to.verdict}${to.observed ? `, ${number(to.observed.requests, 0)} requests` : ''}` }))),
        ]))))),
    data.note ? h('p', { class: 'note', text: data.note }) : null);
}
