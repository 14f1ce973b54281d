/** The panel at the right: totals, success and error shares, codes, plots and routing of what is selected. */
import { h, icon } from './dom.js';
import { clock, duration, millis, number, percent, plural, throughput } from './format.js';
import { HEALTH_WORDS, edgeErrors } from './health.js';
import { shareLabel } from './elements.js';
import { marks } from './marks.js';
import { timeSeries } from './plots.js';
import { routing } from './routing.js';

/** @typedef {import('./elements.js').Model} Model */
/** @typedef {import('./elements.js').Drawn} Drawn */
/** @typedef {import('./state.js').View} View */

const TABS = /** @type {Record<string, string>} */ ({ in: 'Incoming', out: 'Outgoing', total: 'Total', edge: 'Traffic', flags: 'Flags', hosts: 'Hosts' });
/** Of an edge there is one direction; what else there is to see of it has tabs of its own. */
const OF_EDGE = ['edge', 'flags', 'hosts'];
/** Classes of the details' answer in their order, with the words of the bar. */
const CLASSES = /** @type {Record<string, string>} */ ({ '2xx': 'OK', '3xx': '3xx', '4xx': '4xx', '5xx': '5xx', none: 'NR' });
const KINDS = /** @type {Record<string, string>} */ ({ app: 'App', service: 'Service', serviceentry: 'Service entry', unknown: 'Unknown source', operation: 'Operation', box: 'Box' });

export class SidePanel {
  /**
   * @param {HTMLElement} root
   * @param {(id: string) => void} select
   * @param {(id: string) => void} zoomInto
   */
  constructor(root, select, zoomInto) {
    this.root = root;
    this.select = select;
    this.zoomInto = zoomInto;
    /** The tab that was chosen, per kind of subject. @type {Record<string, string>} */
    this.tabs = {};
    this.showQueries = false;
    this.subject = '';
  }

  /**
   * @param {object} what
   * @param {Model} what.model
   * @param {View} what.view
   * @param {Drawn | undefined} what.drawn selected element; undefined: the graph
   * @param {any} what.details the server's answer, null while it is awaited
   * @param {Error & {cure?: string} | null} [what.error] why there are no details
   * @param {{time: number, kind: string, name: string, text: string}[]} [what.changes] in the cluster, within the window
   */
  render({ model, view, drawn, details, error = null, changes = [] }) {
    this.last = { model, view, drawn, details, error, changes };
    const focused = this.root.contains(document.activeElement) ? document.activeElement?.id : '';
    const top = this.root.scrollTop;
    const subject = drawn?.id ?? '';
    const parts = [this.#head(model, view, drawn)];
    if (view.select && !drawn) parts.push(h('p', { class: 'note', text: 'What was selected is not in this picture any more; these are the numbers of the whole graph.' }));
    if (error) parts.push(h('p', { class: 'note problem', role: 'status' }, `${error.message} `, error.cure ? h('span', { text: error.cure }) : null));
    if (details) parts.push(...this.#directions(details, drawn?.kind ?? 'graph', view, drawn?.shape === 'service', drawn));
    else if (!error) parts.push(h('p', { class: 'note', text: 'Loading …' }));
    if (!drawn && changes.length) parts.push(changeList(changes));
    this.root.replaceChildren(...parts);
    this.root.setAttribute('aria-busy', String(!details && !error));
    this.root.scrollTop = subject === this.subject ? top : 0;
    this.subject = subject;
    if (focused) document.getElementById(focused)?.focus();
  }

  /** @param {Model} model @param {View} view @param {Drawn | undefined} drawn */
  #head(model, view, drawn) {
    if (!drawn) return this.#graphHead(model, view);
    return drawn.kind === 'edge' ? this.#edgeHead(model, drawn) : this.#nodeHead(model, drawn);
  }

  /** @param {Model} model @param {View} view */
  #graphHead(model, view) {
    const nodes = model.nodes.filter(({ gap }) => !gap);
    const apps = nodes.filter(({ shape }) => shape === 'app');
    const names = new Set(apps.map(({ data }) => `${data.namespace}/${data.app ?? data.workload}`));
    const services = new Set(nodes.flatMap(({ data }) => [data.nodeType === 'service' ? `${data.namespace}/${data.service}` : null]).filter(Boolean));
    return h('header', {},
      h('h2', { text: model.focusTitle ? `Zoomed to ${model.focusTitle}` : 'Current graph' }),
      h('p', { class: 'where' }, ...view.namespaces.map((name) => h('span', { class: 'tag', text: `NS ${name}` }))),
      h('ul', { class: 'counts' },
        h('li', { text: view.graphType === 'versionedApp' ? `${plural(names.size, 'app')} (${plural(apps.length, 'version')})` : plural(apps.length, view.graphType === 'workload' ? 'workload' : 'app') }),
        services.size ? h('li', { text: plural(services.size, 'service') }) : null,
        h('li', { text: plural(model.edges.filter(({ gap }) => !gap).length, 'edge') }),
        model.hidden ? h('li', { text: `${model.hidden} hidden` }) : null));
  }

  /** @param {Model} model @param {Drawn} drawn */
  #nodeHead(model, drawn) {
    const { data } = drawn;
    const kind = data.nodeType === 'workload' ? 'Workload' : data.isGateway ? 'Gateway' : KINDS[drawn.shape];
    const facts = [];
    if (data.namespace && data.namespace !== 'unknown') facts.push(['Namespace', data.namespace]);
    if (data.workload && data.workload !== 'unknown' && data.workload !== drawn.label) facts.push(['Workload', data.workload]);
    if (data.version && data.version !== 'unknown') facts.push(['Version', data.version]);
    if (data.isServiceEntry?.hosts) facts.push(['Hosts', data.isServiceEntry.hosts.join(', ')], ['Location', data.isServiceEntry.location ?? '']);
    if (data.hasVS?.hostnames?.length) facts.push(['Virtual service hosts', data.hasVS.hostnames.join(', ')]);
    const words = marks(data);
    const inside = drawn.shape === 'box' ? model.nodes.filter((node) => node.data.parent === drawn.id) : [];
    return h('header', {},
      h('p', { class: 'kind' }, h('span', { class: 'tag', text: kind }), health(drawn)),
      h('h2', { text: drawn.title.replace(/^(service entry|service|operation|app|namespace|cluster) /, '') }),
      facts.length ? h('dl', { class: 'facts' }, ...facts.flatMap(([term, text]) => [h('dt', { text: term }), h('dd', { text })])) : null,
      words.length ? h('p', { class: 'where' }, ...words.map((text) => h('span', { class: 'tag plain', text }))) : null,
      inside.length ? h('ul', { class: 'counts' }, ...inside.map((node) => h('li', {}, h('button', { type: 'button', class: 'link', id: `in-${node.id}`, text: node.title, on: { click: () => this.select(node.id) } })))) : null,
      h('p', { class: 'actions' },
        model.focusTitle ? null : h('button', { type: 'button', class: 'small', id: 'panel-zoom', text: 'Only its neighbours', on: { click: () => this.zoomInto(drawn.id) } }),
        h('button', { type: 'button', class: 'small', id: 'panel-close', text: 'Whole graph', on: { click: () => { this.select(''); if (model.focusTitle) this.zoomInto(''); } } })));
  }

  /** @param {Model} model @param {Drawn} drawn */
  #edgeHead(model, drawn) {
    const end = (/** @type {string} */ word, /** @type {string} */ id) => {
      const node = model.byId.get(id);
      return [h('dt', { text: word }), h('dd', {}, node ? h('button', { type: 'button', class: 'link', id: `end-${word}`, text: node.title, on: { click: () => this.select(id) } }) : '?')];
    };
    const share = drawn.data.traffic?.rates?.[`${drawn.data.traffic?.protocol}PercentReq`];
    return h('header', {},
      h('p', { class: 'kind' }, h('span', { class: 'tag', text: `${String(drawn.data.traffic?.protocol ?? '').toUpperCase()} edge` }), health(drawn)),
      h('h2', { text: drawn.title }),
      h('dl', { class: 'facts' }, ...end('From', drawn.data.source), ...end('To', drawn.data.target),
        ...(share === undefined ? [] : [h('dt', { text: 'Share' }), h('dd', { text: `${percent(Number(share))} of the source’s requests` })]),
        ...(drawn.share ? [h('dt', { text: 'Weight' }), h('dd', { text: shareLabel(drawn.share) })] : []),
        ...(drawn.data.isMTLS ? [h('dt', { text: 'Mutual TLS' }), h('dd', { text: percent(Number(drawn.data.isMTLS), 0) })] : []),
        ...['source', 'dest'].filter((end) => ![undefined, '', 'unknown'].includes(drawn.data[`${end}Principal`])).flatMap((end) => [h('dt', { text: end === 'source' ? 'Who sends' : 'Who receives' }), h('dd', { text: drawn.data[`${end}Principal`] })])),
      h('p', { class: 'actions' }, h('button', { type: 'button', class: 'small', id: 'panel-close', text: 'Whole graph', on: { click: () => this.select('') } })));
  }

  /**
   * @param {any} details
   * @param {string} kind graph, node or edge
   * @param {View} view
   * @param {boolean} routingFirst where the routes are what one looks for
   * @param {Drawn | undefined} drawn
   */
  #directions(details, kind, view, routingFirst, drawn) {
    const names = kind === 'edge' ? OF_EDGE : Object.keys(details.directions ?? {});
    const shownByDefault = names.find((name) => kind === 'graph' && name === 'total') ?? names.find((name) => hasTraffic(details.directions[name])) ?? names[0];
    const chosen = names.includes(this.tabs[kind]) ? this.tabs[kind] : shownByDefault;
    const go = (/** @type {string} */ name) => {
      this.tabs[kind] = name;
      if (this.last) this.render(this.last);
      document.getElementById(`tab-${name}`)?.focus();
    };
    const tabs = names.length < 2 ? null : h('div', { role: 'tablist', class: 'tabs', 'aria-label': kind === 'edge' ? 'What to show of the edge' : 'Direction of the traffic' }, ...names.map((name) => h('button', {
      type: 'button', role: 'tab', id: `tab-${name}`, 'aria-selected': String(name === chosen), 'aria-controls': 'panel-traffic', tabindex: name === chosen ? 0 : -1, text: TABS[name] ?? name,
      on: {
        click: () => go(name),
        keydown: (/** @type {KeyboardEvent} */ event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (step) go(names[(names.indexOf(name) + step + names.length) % names.length]);
        },
      },
    })));
    const traffic = details.directions?.[chosen];
    const content = chosen === 'flags' || chosen === 'hosts'
      ? [responses(chosen, drawn?.data.traffic?.responses ?? {})]
      : this.#traffic(traffic, [details.timestamp - details.duration, details.timestamp], kind !== 'edge');
    return [
      details.routing && routingFirst ? routing(details.routing) : null,
      tabs,
      h('div', { id: 'panel-traffic', role: tabs ? 'tabpanel' : undefined, 'aria-labelledby': tabs ? `tab-${chosen}` : undefined }, ...content),
      details.routing && !routingFirst ? routing(details.routing) : null,
      h('p', { class: 'foot', text: `Last ${duration(details.duration)} before ${clock(details.timestamp)}.` }),
    ].filter((part) => part !== null);
  }

  /**
   * @param {any} traffic one direction of the details
   * @param {[number, number]} range of the window, unix seconds
   * @param {boolean} withCodes the table of codes, flags and hosts stands here
   */
  #traffic(traffic, range, withCodes) {
    if (!traffic || !hasTraffic(traffic)) return [h('p', { class: 'note', text: 'No traffic in this direction during the window.' }), ...(traffic ? this.#plots(traffic, range) : [])];
    const parts = [];
    if (traffic.http) parts.push(...requests(traffic.http));
    const times = traffic.responseTime ?? {};
    if ([times.avg, times.p50, times.p95, times.p99].some((value) => value !== null && value !== undefined)) {
      parts.push(grid('Response time', ['Average', 'P50', 'P95', 'P99'], [times.avg, times.p50, times.p95, times.p99].map((value) => millis(value ?? NaN))));
    }
    if (traffic.throughput && (traffic.throughput.request || traffic.throughput.response)) {
      parts.push(grid('Throughput', ['Requests', 'Responses'], [traffic.throughput.request, traffic.throughput.response].map((value) => throughput(value ?? NaN))));
    }
    if (traffic.tcp) parts.push(grid('TCP', ['Sent', 'Received'], [throughput(traffic.tcp.sent ?? NaN), throughput(traffic.tcp.received ?? NaN)]));
    if (withCodes && traffic.http?.codes?.length) parts.push(codes(traffic.http.codes));
    parts.push(...this.#plots(traffic, range));
    return parts;
  }

  /** @param {any} traffic @param {[number, number]} range */
  #plots(traffic, range) {
    const series = traffic.series ?? {};
    const changes = this.last?.changes ?? [];
    const has = (/** @type {string} */ key) => (series[key] ?? []).length > 0;
    const plots = [];
    if (has('rate')) {
      plots.push(timeSeries({ title: 'Requests per second', range, changes, format: (v) => number(v), series: [{ name: 'All requests', points: series.rate, tone: 'healthy' }, { name: 'Errors', points: series.errors ?? [], tone: 'failing' }] }));
    }
    if (['avg', 'p50', 'p95', 'p99'].some(has)) {
      plots.push(timeSeries({ title: 'Response time', range, changes, format: (v) => millis(v), series: [['Average', 'avg'], ['P50', 'p50'], ['P95', 'p95'], ['P99', 'p99']].map(([name, key]) => ({ name, points: series[key] ?? [] })) }));
    }
    if (has('tcpSent') || has('tcpReceived')) {
      plots.push(timeSeries({ title: 'TCP bytes per second', range, changes, binary: true, format: (v) => throughput(v), series: [{ name: 'Sent', points: series.tcpSent ?? [], tone: 'tcp' }, { name: 'Received', points: series.tcpReceived ?? [] }] }));
    }
    const queries = Object.entries(traffic.queries ?? {});
    if (queries.length) {
      plots.push(h('details', { class: 'queries', open: this.showQueries, on: { toggle: (/** @type {Event} */ event) => { this.showQueries = /** @type {HTMLDetailsElement} */ (event.target).open; } } },
        h('summary', { id: 'panel-queries', text: 'Prometheus queries' }), h('dl', {}, ...queries.flatMap(([name, text]) => [h('dt', { text: name }), h('dd', {}, h('code', { text: String(text) }))]))));
    }
    return plots;
  }
}

/** @param {any} traffic one direction of the details */
const hasTraffic = (traffic) => Boolean(traffic && (traffic.http?.rate > 0 || (traffic.tcp && (traffic.tcp.sent > 0 || traffic.tcp.received > 0))));

/** @param {Drawn} drawn */
function health(drawn) {
  const word = HEALTH_WORDS[/** @type {'failing'} */ (drawn.health)];
  if (!word || drawn.health === 'none' || drawn.health === 'tcp') return null;
  const failed = drawn.kind === 'edge' ? edgeErrors(drawn.data.traffic) : 0;
  return h('span', { class: `state ${drawn.health}` }, ['failing', 'degraded', 'healthy'].includes(drawn.health) ? icon(drawn.health) : null, failed > 0 ? `${word}, ${percent(failed)} errors` : word);
}

/** @param {string} caption @param {string[]} heads @param {string[]} cells */
function grid(caption, heads, cells) {
  return h('table', { class: 'numbers' }, h('caption', { text: caption }),
    h('thead', {}, h('tr', {}, ...heads.map((text) => h('th', { scope: 'col', text })))), h('tbody', {}, h('tr', {}, ...cells.map((text) => h('td', { text })))));
}

/** @param {any} http */
function requests(http) {
  const bar = h('div', { class: 'bar', role: 'img', 'aria-label': http.classes.map((/** @type {any} */ c) => `${CLASSES[c.class]} ${percent(c.percent)}`).join(', ') });
  for (const { class: name, percent: share } of http.classes) {
    if (!(share > 0)) continue;
    const part = h('span', { class: `part c${name}` });
    part.style.flexGrow = String(share);
    bar.append(part);
  }
  return [
    grid('HTTP requests per second', ['Total', 'Success', 'Error', 'Requests'], [number(http.rate), percent(http.percentSuccess), percent(http.percentError), number(http.requests, 0)]),
    bar,
    h('ul', { class: 'bar-keys' }, ...http.classes.map((/** @type {any} */ c) => h('li', {}, h('span', { class: `swatch c${c.class}` }), `${CLASSES[c.class]} `, h('b', { text: percent(c.percent) })))),
  ];
}

/**
 * Kiali's tabs of an edge: the codes by their flags, or by the hosts that were asked for.
 * @param {'flags' | 'hosts'} kind
 * @param {Record<string, {flags?: Record<string, string>, hosts?: Record<string, string>}>} all
 */
function responses(kind, all) {
  const rows = Object.entries(all).flatMap(([code, detail]) => Object.entries(detail[kind] ?? {}).map(([name, share]) => ({ code, name, share })));
  if (!rows.length) return h('p', { class: 'note', text: `No ${kind} were told of this edge during the window.` });
  return h('table', { class: 'codes' }, h('caption', { text: kind === 'flags' ? 'Response flags by code' : 'Hosts by code' }),
    h('thead', {}, h('tr', {}, ...['Code', kind === 'flags' ? 'Flags' : 'Host', 'Share'].map((text) => h('th', { scope: 'col', text })))),
    h('tbody', {}, ...rows.map(({ code, name, share }) => h('tr', {}, h('th', { scope: 'row', text: code === '-' ? 'none' : code }), h('td', { text: name === '-' ? '–' : name }), h('td', { text: percent(Number(share)) })))));
}

/** @param {{time: number, kind: string, text: string}[]} changes */
function changeList(changes) {
  return h('section', { class: 'changes', 'aria-label': 'Changes in the window' }, h('h3', { text: 'Changes in the window' }),
    h('ol', {}, ...changes.map(({ time, kind, text }) => h('li', { class: kind }, h('time', { text: clock(time) }), ` ${text}`))));
}

/** @param {{code: string, flags: string, host: string, rate: number, percent: number}[]} list */
function codes(list) {
  return h('table', { class: 'codes' }, h('caption', { text: 'Codes, flags and hosts' }),
    h('thead', {}, h('tr', {}, ...['Code', 'Flags', 'Req/s', 'Share'].map((text) => h('th', { scope: 'col', text })))),
    h('tbody', {}, ...list.flatMap(({ code, flags, host, rate, percent: share }) => [
      h('tr', {}, h('th', { scope: 'row', text: code === '-' ? 'none' : code }), h('td', { text: flags === '-' ? '–' : flags }), h('td', { text: number(rate) }), h('td', { text: percent(share) })),
      h('tr', { class: 'host' }, h('td', { colspan: 4, text: host })),
    ])));
}
