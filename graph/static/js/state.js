/**
 * What a person chose to look at. All of it lives in the page's address, so that a view can be reloaded and shared.
 * Names of parameters are Kiali's where Kiali has one.
 */

export const GRAPH_TYPES = /** @type {const} */ ([
  ['app', 'App graph'],
  ['service', 'Service graph'],
  ['versionedApp', 'Versioned app graph'],
  ['workload', 'Workload graph'],
]);
/** Seconds; 0 is since the last change. */
export const DURATIONS = [60, 300, 600, 1800, 3600, 0];
/** Seconds of the window since the last change: a rate needs a few reads of the sidecars, and older changes are history. */
const [SHORTEST, LONGEST] = [20, 3600];
/** Milliseconds; 0 is Pause. */
export const REFRESH = [0, 10000, 15000, 30000, 60000, 300000];
/** Edge labels: key in the address, group (null: a box of its own; else one of the group at a time), words. */
export const EDGE_LABELS = /** @type {const} */ ([
  ['rate', null, 'Request rate'],
  ['distribution', null, 'Traffic distribution'],
  ['avg', 'responseTime', 'Average'],
  ['rt50', 'responseTime', 'Median (50th percentile)'],
  ['rt95', 'responseTime', '95th percentile'],
  ['rt99', 'responseTime', '99th percentile'],
  ['throughputRequest', 'throughput', 'Request'],
  ['throughputResponse', 'throughput', 'Response'],
]);
const LABEL_KEYS = EDGE_LABELS.map(([key]) => key);

/**
 * @typedef {object} View
 * @property {string[]} namespaces
 * @property {string} graphType
 * @property {number} duration seconds
 * @property {number} refresh milliseconds, 0 = Pause
 * @property {string[]} edges edge labels, keys of EDGE_LABELS
 * @property {boolean} compressed hidden elements leave no gap
 * @property {boolean} operationNodes
 * @property {boolean} injectServiceNodes
 * @property {boolean} animation
 * @property {boolean} idleNodes
 * @property {boolean} includeIdleEdges
 * @property {boolean} boxByNamespace
 * @property {boolean} boxByCluster
 * @property {boolean} rank
 * @property {boolean} security
 * @property {boolean} waypoints
 * @property {boolean} weights configured and observed, on edges to versions
 * @property {boolean} badgeVS
 * @property {boolean} badgeSidecars
 * @property {string} find
 * @property {string} hide
 * @property {boolean} legend
 * @property {boolean} table
 * @property {boolean} panel
 * @property {string} focus id of the node of the zoomed view, or ''
 * @property {string} select id of the selected node or edge, or ''
 */

/** @type {View} */
export const DEFAULTS = Object.freeze({
  namespaces: [],
  graphType: 'versionedApp',
  duration: 60,
  refresh: 15000,
  edges: ['rate'],
  compressed: true,
  operationNodes: false,
  injectServiceNodes: true,
  animation: false,
  idleNodes: false,
  includeIdleEdges: false,
  boxByNamespace: false,
  boxByCluster: false,
  rank: false,
  security: false,
  waypoints: true,
  weights: false,
  badgeVS: true,
  badgeSidecars: true,
  find: '',
  hide: '',
  legend: false,
  table: false,
  panel: true,
  focus: '',
  select: '',
});

/** Values that a parameter may take, where it is not free text. */
const ALLOWED = {
  graphType: GRAPH_TYPES.map(([key]) => /** @type {string} */ (key)),
  duration: DURATIONS,
  refresh: REFRESH,
};

/**
 * @param {string} search the query part of an address
 * @returns {View} unknown parameters and values that make no sense fall back to the defaults
 */
export function parse(search) {
  const params = new URLSearchParams(search);
  /** @type {Record<string, unknown>} */
  const view = { ...DEFAULTS };
  for (const [key, fallback] of Object.entries(DEFAULTS)) {
    const text = params.get(key);
    if (text === null) continue;
    if (typeof fallback === 'boolean') {
      if (text === 'true' || text === 'false') view[key] = text === 'true';
    } else if (typeof fallback === 'number') {
      const value = Number(text.replace(/s$/, ''));
      if (ALLOWED[/** @type {'duration'} */ (key)].includes(value)) view[key] = value;
    } else if (Array.isArray(fallback)) {
      view[key] = [...new Set(text.split(',').filter((part) => part !== ''))];
    } else if (key in ALLOWED) {
      if (ALLOWED[/** @type {'graphType'} */ (key)].includes(text)) view[key] = text;
    } else {
      view[key] = text;
    }
  }
  const result = /** @type {View} */ (/** @type {unknown} */ (view));
  result.edges = onePerGroup(result.edges.filter((key) => LABEL_KEYS.includes(/** @type {any} */ (key))));
  return result;
}

/**
 * @param {View} view
 * @returns {string} `?a=b`, only what differs from the defaults, or ''
 */
export function serialize(view) {
  const parts = [];
  for (const [key, fallback] of Object.entries(DEFAULTS)) {
    const value = /** @type {any} */ (view)[key];
    const text = Array.isArray(value) ? value.join(',') : String(value);
    const plain = Array.isArray(fallback) ? fallback.join(',') : String(fallback);
    if (text !== plain) parts.push(`${key}=${encodeURIComponent(text).replace(/%2C/g, ',')}`);
  }
  return parts.length ? `?${parts.join('&')}` : '';
}

/**
 * Of each group only the last chosen label stays (the server computes one response time per request).
 * @param {string[]} edges
 * @returns {string[]}
 */
export function onePerGroup(edges) {
  const group = (/** @type {string} */ key) => EDGE_LABELS.find(([name]) => name === key)?.[1] ?? null;
  return edges.filter((key, i) => group(key) === null || !edges.slice(i + 1).some((later) => group(later) === group(key)));
}

/**
 * @param {string[]} edges
 * @param {string} key
 * @param {boolean} on
 * @returns {string[]} the labels with this one switched
 */
export function toggleLabel(edges, key, on) {
  const rest = edges.filter((other) => other !== key);
  return on ? onePerGroup([...rest, key]) : rest;
}

/**
 * @param {number} chosen seconds, 0 = since the last change
 * @param {number} now unix seconds
 * @param {{time: number}[]} changes the oldest first
 * @returns {number} seconds of the window
 */
export function windowOf(chosen, now, changes) {
  if (chosen > 0) return chosen;
  const last = changes.at(-1);
  return last ? Math.max(SHORTEST, Math.min(LONGEST, Math.ceil(now - last.time))) : LONGEST;
}

/** The view, and who wants to hear of its changes. */
export class Store {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    /** @type {((view: View, changed: Set<string>) => void)[]} */
    this.listeners = [];
  }

  /** @param {(view: View, changed: Set<string>) => void} listener called after each change with the names that changed */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /**
   * @param {Partial<View>} patch
   * @returns {Set<string>} the names that changed
   */
  set(patch) {
    const changed = new Set(
      Object.keys(patch).filter((key) => JSON.stringify(/** @type {any} */ (patch)[key]) !== JSON.stringify(/** @type {any} */ (this.view)[key])),
    );
    if (changed.size === 0) return changed;
    this.view = { ...this.view, ...patch };
    for (const listener of this.listeners) listener(this.view, changed);
    return changed;
  }
}
