/**
 * From the server's JSON to what is drawn: labels, shapes, health, badges; the zoomed view; hidden elements. Pure.
 */
import { edgeErrors, edgeHealth, edgeMix, nodeHealth, num, worst } from './health.js';
import { millis, number, percent, throughput } from './format.js';

/** @typedef {import('./state.js').View} View */
/** @typedef {import('./find.js').Predicate} Predicate */
/**
 * @typedef {object} Drawn a node or an edge as the view, the panel and the table use it
 * @property {'node' | 'edge'} kind
 * @property {string} id
 * @property {string} label text beside the element; lines separated by a line feed
 * @property {string} title its name in a sentence, on one line
 * @property {string} health
 * @property {string} shape nodes only: app, service, serviceentry, unknown, operation, box
 * @property {string[]} badges names of icons
 * @property {boolean} gap hidden, but keeps its place
 * @property {number} [rank] nodes only: 1 for what most depend on
 * @property {Share} [share] edges to a version only: its weight and what was observed
 * @property {Record<string, any>} data as the server sent it
 */

/** @param {Record<string, any>} data @returns {string} */
export function shapeOf(data) {
  if (data.isBox) return 'box';
  if (data.isServiceEntry) return 'serviceentry';
  if (data.nodeType === 'aggregate') return 'operation';
  if (data.nodeType === 'service') return 'service';
  if (data.nodeType === 'unknown') return 'unknown';
  return 'app';
}

const known = (/** @type {string | undefined} */ text) => (text && text !== 'unknown' ? text : '');

/** @param {Record<string, any>} data node @returns {string} its name without version and namespace */
export function nodeName(data) {
  if (data.isBox) return (data.isBox === 'app' ? data.app : data.isBox === 'cluster' ? data.cluster : data.namespace) ?? '';
  if (data.nodeType === 'aggregate') return String(data.aggregateValue ?? data.aggregate ?? '').replace(/^[^=]*=/, '');
  if (data.nodeType === 'service') return data.service ?? '';
  if (data.nodeType === 'workload') return data.workload ?? '';
  if (data.nodeType === 'unknown') return 'unknown';
  return known(data.app) || known(data.workload) || known(data.service) || 'unknown';
}

/**
 * @param {Record<string, any>} data node
 * @param {{boxed: boolean, namespaces: string[]}} where in a box of its app; the namespaces that were asked for
 * @returns {string} lines as drawn
 */
export function nodeLabel(data, { boxed, namespaces }) {
  const version = data.nodeType === 'app' ? known(data.version) : '';
  const lines = boxed && version ? [version] : [nodeName(data), ...(version ? [version] : [])];
  if (known(data.namespace) && data.nodeType !== 'unknown' && !boxed && (data.isOutside || namespaces.length > 1)) lines.push(`(${data.namespace})`);
  return lines.join('\n');
}

/** @param {Record<string, any>} data node @returns {string} `service cmpt756s2`, `cmpt756s2 v1` */
export function nodeTitle(data) {
  const name = nodeName(data);
  switch (shapeOf(data)) {
    case 'box': return `${data.isBox} ${name}`;
    case 'service': return `service ${name}`;
    case 'serviceentry': return `service entry ${name}`;
    case 'operation': return `operation ${name}`;
    default: return data.nodeType === 'app' && known(data.version) ? `${name} ${data.version}` : name;
  }
}

/**
 * @param {Record<string, any>} data node
 * @param {View} view
 * @param {string} health
 * @returns {string[]} names of icons in static/icons, in the order in which they stand
 */
export function badgesOf(data, view, health) {
  const badges = [];
  if (health === 'failing' || health === 'degraded') badges.push(health);
  if (view.badgeVS && data.hasVS) {
    badges.push(data.hasFaultInjection ? 'fault' : data.hasTrafficShifting || data.hasTCPTrafficShifting ? 'shift' : 'vs');
  }
  if (view.badgeSidecars && data.isOutOfMesh) badges.push('nosidecar');
  if (data.isGateway) badges.push('gateway');
  return badges;
}

/**
 * @param {Record<string, any>} data edge
 * @param {Pick<View, 'edges' | 'security' | 'weights'>} view
 * @param {Share} [share] of the version that the edge leads to
 * @returns {string} lines as drawn, '' for an idle edge of which nothing is configured
 */
export function edgeLabel(data, view, share) {
  const lines = trafficLabel(data, view.edges);
  const mutual = num(data.isMTLS);
  if (view.security && mutual > 0) lines.push(mutual < 100 ? `mTLS ${percent(mutual, 0)}` : 'mTLS');
  if (view.weights && share) lines.push(shareLabel(share));
  return lines.join('\n');
}

/** @typedef {{version: string, weight: number, observed: {percent: number, low: number, high: number} | null, verdict: string}} Share of `api/c756/weights` */

/** @param {Share} share @returns {string} `set 10%, seen 9.7% (8–12)` */
export const shareLabel = ({ weight, observed }) => `set ${percent(weight)}${observed ? `, seen ${percent(observed.percent)} (${number(observed.low, 0)}–${number(observed.high, 0)})` : ''}`;

/**
 * @param {{data: Record<string, any>}[]} nodes
 * @param {{data: Record<string, any>}[]} edges
 * @param {{namespace: string, service: string, versions: Share[]}[]} weights
 * @returns {Map<string, Share>} by id of the edge from a service to a version
 */
function sharesOf(nodes, edges, weights) {
  const byId = new Map(nodes.map(({ data }) => [data.id, data]));
  const found = new Map();
  for (const { data } of edges) {
    const [from, to] = [byId.get(data.source), byId.get(data.target)];
    const split = weights.find(({ namespace, service }) => from?.nodeType === 'service' && from.namespace === namespace && from.service === service);
    const share = split?.versions.find(({ version }) => version === to?.version);
    if (share) found.set(data.id, share);
  }
  return found;
}

/**
 * How much depends on a node: those that most nodes ask are of rank 1 (Kiali ranks by inbound edges, too).
 * @param {{data: Record<string, any>}[]} nodes
 * @param {{data: Record<string, any>}[]} edges
 * @returns {Map<string, number>} by id; nodes with as many edges share a rank
 */
export function ranks(nodes, edges) {
  const inbound = new Map(nodes.filter(({ data }) => !data.isBox).map(({ data }) => [data.id, 0]));
  for (const { data } of edges) if (inbound.has(data.target)) inbound.set(data.target, /** @type {number} */ (inbound.get(data.target)) + 1);
  const steps = [...new Set(inbound.values())].sort((a, b) => b - a);
  return new Map([...inbound].map(([id, count]) => [id, steps.indexOf(count) + 1]));
}

/**
 * @param {Record<string, any>} data edge
 * @param {string[]} wanted keys of state.EDGE_LABELS
 * @returns {string[]} lines about traffic, none for an idle edge
 */
function trafficLabel(data, wanted) {
  const { protocol, rates } = data.traffic ?? {};
  if (!rates) return [];
  const lines = [];
  const isTcp = protocol === 'tcp';
  const mix = edgeMix(data.traffic);
  if (isTcp ? num(rates.tcp) <= 0 : mix.total <= 0) return [];
  for (const key of ['rate', 'distribution', 'avg', 'rt50', 'rt95', 'rt99', 'throughputRequest', 'throughputResponse']) {
    if (!wanted.includes(key)) continue;
    if (key === 'rate') lines.push(isTcp ? throughput(num(rates.tcp)) : number(mix.total));
    else if (key === 'distribution') {
      const share = rates[`${protocol}PercentReq`];
      if (share !== undefined) lines.push(percent(num(share)));
    } else if (key.startsWith('throughput')) {
      if (data.throughput !== undefined) lines.push(throughput(num(data.throughput)));
    } else if (data.responseTime !== undefined) lines.push(millis(num(data.responseTime)));
  }
  const failed = edgeErrors(data.traffic);
  if (lines.length && failed > 0) lines.splice(1, 0, `${failed < 1 ? number(failed, 1) : number(failed, 0)}% err`);
  return lines;
}

/**
 * The zoomed view: the node, who sends to it, who receives from it; a service in between does not count as a step.
 * @param {string} id
 * @param {{data: Record<string, any>}[]} nodes
 * @param {{data: Record<string, any>}[]} edges
 * @returns {{nodes: Set<string>, edges: Set<string>}} ids that stay; empty when there is no such node
 */
export function around(id, nodes, edges) {
  const byId = new Map(nodes.map(({ data }) => [data.id, data]));
  const stayNodes = new Set();
  const stayEdges = new Set();
  if (!byId.has(id)) return { nodes: stayNodes, edges: stayEdges };
  // A box stands for all that is in it.
  const centre = byId.get(id)?.isBox ? nodes.filter(({ data }) => data.parent === id).map(({ data }) => data.id) : [id];
  centre.forEach((one) => stayNodes.add(one));
  for (const [near, far] of [['target', 'source'], ['source', 'target']]) {
    let front = new Set(centre);
    for (let step = 0; front.size && step < 2; step += 1) {
      const next = new Set();
      for (const { data } of edges) {
        if (!front.has(data[near])) continue;
        stayEdges.add(data.id);
        stayNodes.add(data[far]);
        const other = byId.get(data[far]);
        if (other?.nodeType === 'service' && !other.isServiceEntry) next.add(data[far]);
      }
      front = next;
    }
  }
  for (const one of [...stayNodes]) {
    for (let parent = byId.get(one)?.parent; parent; parent = byId.get(parent)?.parent) stayNodes.add(parent);
  }
  return { nodes: stayNodes, edges: stayEdges };
}

/**
 * @typedef {object} Model
 * @property {Drawn[]} nodes boxes first
 * @property {Drawn[]} edges
 * @property {Map<string, Drawn>} byId
 * @property {number} hidden how many elements the Hide expression took away
 * @property {string} focusTitle name of the node of the zoomed view, '' in the whole graph or when it is gone
 */

/**
 * @param {{elements: {nodes: {data: Record<string, any>}[], edges: {data: Record<string, any>}[]}}} graph as the server sent it
 * @param {View} view
 * @param {Predicate | null} [hide]
 * @param {{namespace: string, service: string, versions: Share[]}[]} [weights] of `api/c756/weights`
 * @returns {Model}
 */
export function build(graph, view, hide = null, weights = []) {
  let { nodes, edges } = graph.elements;
  let focusTitle = '';
  if (view.focus) {
    const stay = around(view.focus, nodes, edges);
    if (stay.nodes.size) {
      focusTitle = nodeTitle(/** @type {any} */ (nodes.find(({ data }) => data.id === view.focus)).data);
      nodes = nodes.filter(({ data }) => stay.nodes.has(data.id));
      edges = edges.filter(({ data }) => stay.edges.has(data.id));
    }
  }
  const appBoxes = new Set(nodes.filter(({ data }) => data.isBox === 'app').map(({ data }) => data.id));
  const shares = sharesOf(nodes, edges, weights);
  const ranked = ranks(nodes, edges);
  const childHealth = /** @type {Map<string, any[]>} */ (new Map());
  const drawnNodes = nodes.map(({ data }) => {
    const health = nodeHealth(data);
    if (data.parent) childHealth.set(data.parent, [...(childHealth.get(data.parent) ?? []), health]);
    const rank = ranked.get(data.id);
    const name = nodeLabel(data, { boxed: appBoxes.has(data.parent) && shapeOf(data) === 'app', namespaces: view.namespaces });
    return /** @type {Drawn} */ ({
      kind: 'node', id: data.id, data, health, shape: shapeOf(data), gap: false, rank,
      label: view.rank && rank ? `${name}\nrank ${rank}` : name,
      title: nodeTitle(data), badges: badgesOf(data, view, health),
    });
  });
  for (const drawn of drawnNodes) if (drawn.shape === 'box') drawn.health = worst(childHealth.get(drawn.id) ?? []);
  const titles = new Map(drawnNodes.map((drawn) => [drawn.id, drawn.title]));
  const drawnEdges = edges.map(({ data }) => /** @type {Drawn} */ ({
    kind: 'edge', id: data.id, data, health: edgeHealth(data), shape: '', badges: view.security && num(data.isMTLS) > 0 ? ['padlock'] : [], gap: false,
    label: edgeLabel(data, view, shares.get(data.id)), share: shares.get(data.id), title: `${titles.get(data.source)} to ${titles.get(data.target)}`,
  }));

  const gone = new Set(hide ? [...drawnNodes, ...drawnEdges].filter(hide).map(({ id }) => id) : []);
  for (const drawn of drawnNodes) if (drawn.data.parent && gone.has(drawn.data.parent)) gone.add(drawn.id);
  for (const { id, data } of drawnEdges) if (gone.has(data.source) || gone.has(data.target)) gone.add(id);
  for (const box of drawnNodes) {
    const inside = box.shape === 'box' ? drawnNodes.filter(({ data }) => data.parent === box.id) : [];
    if (inside.length && inside.every(({ id }) => gone.has(id))) gone.add(box.id);
  }
  const shown = (/** @type {Drawn[]} */ list) => {
    if (view.compressed) return list.filter(({ id }) => !gone.has(id));
    for (const drawn of list) drawn.gap = gone.has(drawn.id);
    return list;
  };
  const model = { nodes: shown(drawnNodes), edges: shown(drawnEdges), byId: new Map(), hidden: gone.size, focusTitle };
  for (const drawn of [...model.nodes, ...model.edges]) model.byId.set(drawn.id, drawn);
  return model;
}

/**
 * What decides whether the picture must be laid out again: nodes that came or went, and their boxes. Traffic does not.
 * @param {Model} model
 * @returns {string}
 */
export const layoutKey = (model) => model.nodes.map(({ id, data }) => `${id}<${data.parent ?? ''}`).sort().join(' ');
