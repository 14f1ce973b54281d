/** What the page asks the server. Addresses are relative to <base>, so the page works under any path. */

/** @typedef {import('./state.js').View} View */

/** The server said no, or did not answer. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{reason?: string, cure?: string, status?: number}} [more]
   */
  constructor(message, { reason = 'unreachable', cure = '', status = 0 } = {}) {
    super(message);
    this.name = 'ApiError';
    this.reason = reason;
    this.cure = cure;
    this.status = status;
  }
}

/** Milliseconds after which an answer is given up: longer than the server's own limits towards Prometheus. */
const TIMEOUT = 20000;

/**
 * @param {string} path relative to the base
 * @param {Record<string, string | number | boolean | undefined>} [params] undefined ones are left out
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 * @throws {ApiError} with the server's reason and cure; {DOMException} AbortError when `signal` fired
 */
export async function get(path, params = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined && value !== '') query.set(key, String(value));
  const timeout = AbortSignal.timeout(TIMEOUT);
  const text = query.toString();
  let response;
  try {
    response = await fetch(text ? `${path}?${text}` : path, {
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: { accept: 'application/json' },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(
      timeout.aborted ? `The graph server did not answer within ${TIMEOUT / 1000} s` : 'The graph server cannot be reached',
      { cure: 'Is it running? The page tries again by itself.' },
    );
  }
  let body;
  try {
    body = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(`The answer to ${path} is not JSON (status ${response.status})`, { status: response.status });
  }
  if (!response.ok) {
    throw new ApiError(body.error ?? `Status ${response.status}`, { reason: body.reason, cure: body.cure, status: response.status });
  }
  return body;
}

const APPENDERS = ['ambient', 'deadNode', 'health', 'istio', 'meshCheck', 'responseTime', 'serviceEntry', 'throughput'];

/**
 * @param {View} view
 * @param {number} [seconds] the window
 * @returns {Record<string, string | number | boolean | undefined>} the parameters of Kiali's graph request
 */
export function graphParams(view, seconds = view.duration) {
  const appenders = [...APPENDERS];
  if (view.idleNodes) appenders.push('idleNode');
  if (view.operationNodes) appenders.push('aggregateNode');
  if (view.security) appenders.push('securityPolicy');
  const boxes = ['app', view.boxByNamespace && 'namespace', view.boxByCluster && 'cluster'].filter(Boolean);
  const times = { avg: 'avg', rt50: '50', rt95: '95', rt99: '99' };
  const time = Object.entries(times).find(([key]) => view.edges.includes(key));
  return {
    namespaces: view.namespaces.join(','),
    graphType: view.graphType,
    duration: `${seconds}s`,
    injectServiceNodes: view.injectServiceNodes,
    includeIdleEdges: view.includeIdleEdges,
    boxBy: boxes.join(','),
    waypoints: view.waypoints,
    appenders: appenders.sort().join(','),
    responseTime: time ? time[1] : '95',
    throughputType: view.edges.includes('throughputResponse') ? 'response' : 'request',
    aggregate: view.operationNodes ? 'request_operation' : undefined,
  };
}

/**
 * The address of the zoomed graph, which has the traffic of one node only.
 * @param {Record<string, any>} data node or box
 * @returns {string | null} null for what has no such graph: it is cut out of the whole one
 */
export function zoomPath(data) {
  const known = (/** @type {string | undefined} */ text) => text && text !== 'unknown';
  if (!known(data.namespace) || data.isServiceEntry || data.isInaccessible) return null;
  const path = (/** @type {string[]} */ ...parts) => `api/namespaces/${[data.namespace, ...parts, 'graph'].map(encodeURIComponent).join('/')}`;
  if (data.nodeType === 'service' && known(data.service)) return path('services', data.service);
  if (data.nodeType === 'workload') return path('workloads', data.workload);
  if (data.nodeType !== 'app' && data.isBox !== 'app') return null;
  if (!known(data.app)) return null;
  return known(data.version) ? path('applications', data.app, 'versions', data.version) : path('applications', data.app);
}

/**
 * Names of a node as the details address wants them.
 * @param {Record<string, any>} data node data of the graph
 * @param {string} [prefix] `source.` or `dest.`
 */
export function nodeParams(data, prefix = '') {
  /** @type {Record<string, string>} */
  const params = {};
  for (const key of ['namespace', 'nodeType', 'workload', 'app', 'version', 'service']) {
    if (data[key]) params[prefix + key] = data[key];
  }
  return params;
}
