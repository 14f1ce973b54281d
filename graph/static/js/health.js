/**
 * Healthy, degraded or failing: what the server says (its graph/health.py has the rule and the thresholds), and sums of rates.
 */

/** @typedef {'healthy' | 'degraded' | 'failing' | 'idle' | 'tcp' | 'none'} Health */

/** The server's words, which are Kiali's. */
const DRAWN = /** @type {Record<string, Health>} */ ({ Healthy: 'healthy', Degraded: 'degraded', Failure: 'failing' });

/** @param {unknown} text a number as the API writes it @returns {number} 0 where absent */
export const num = (text) => (text === undefined || text === null || text === '' ? 0 : Number(text));

/**
 * @typedef {object} Mix requests per second by outcome
 * @property {number} total
 * @property {number} ok 1xx and 2xx
 * @property {number} r3xx
 * @property {number} r4xx
 * @property {number} r5xx
 * @property {number} none no response
 */

/**
 * @param {Record<string, string>} rates
 * @param {string} key `http`, `httpIn` or `httpOut`
 * @returns {Mix}
 */
export function httpMix(rates, key) {
  const total = num(rates[key]);
  const [r3xx, r4xx, r5xx, none] = ['3xx', '4xx', '5xx', 'NoResponse'].map((suffix) => num(rates[key + suffix]));
  return { total, r3xx, r4xx, r5xx, none, ok: Math.max(0, total - r3xx - r4xx - r5xx - none) };
}

/** @param {Mix[]} mixes @returns {Mix} */
export function addMixes(mixes) {
  const sum = { total: 0, ok: 0, r3xx: 0, r4xx: 0, r5xx: 0, none: 0 };
  for (const mix of mixes) for (const key of /** @type {(keyof Mix)[]} */ (Object.keys(sum))) sum[key] += mix[key];
  return sum;
}

/**
 * gRPC has no classes: an error counts as 5xx.
 * @param {Record<string, string>} rates
 * @param {string} key `grpc`, `grpcIn`
 * @returns {Mix}
 */
export function grpcMix(rates, key) {
  const total = num(rates[key]);
  const none = Math.min(total, num(rates[`${key}NoResponse`]));
  const r5xx = Math.min(total - none, num(rates[`${key}Err`]));
  return { total, ok: total - r5xx - none, r3xx: 0, r4xx: 0, r5xx, none };
}

/** @param {Mix} mix @returns {number} percentage of failed requests: 4xx, 5xx and no response */
export const errorPercent = (mix) => (mix.total > 0 ? (100 * (mix.r4xx + mix.r5xx + mix.none)) / mix.total : 0);

/**
 * @param {{protocol?: string, rates?: Record<string, string>} | undefined} traffic of an edge
 * @returns {Mix}
 */
export function edgeMix(traffic) {
  const rates = traffic?.rates ?? {};
  return traffic?.protocol === 'grpc' ? grpcMix(rates, 'grpc') : httpMix(rates, 'http');
}

/**
 * @param {{protocol?: string, rates?: Record<string, string>} | undefined} traffic of an edge
 * @returns {number} percentage of failed requests, as the server computed it before it rounded the rates
 */
export function edgeErrors(traffic) {
  const told = traffic?.rates?.[`${traffic.protocol}PercentErr`];
  return told === undefined ? errorPercent(edgeMix(traffic)) : num(told);
}

/** @param {Record<string, any>} data edge as the server sent it @returns {Health} */
export function edgeHealth(data) {
  const { protocol, rates } = data.traffic ?? {};
  if (!rates) return 'idle';
  return protocol === 'tcp' ? 'tcp' : DRAWN[data.healthStatus] ?? 'healthy';
}

/** @param {Record<string, any>} data node as the server sent it @returns {Health} */
export const nodeHealth = (data) => (data.isIdle ? 'idle' : DRAWN[data.healthData?.status?.status] ?? 'none');

/**
 * @param {{protocol: string, rates: Record<string, string>}[] | undefined} traffic of a node
 * @param {'In' | 'Out'} way
 * @returns {Mix} HTTP and gRPC together
 */
export function nodeMix(traffic, way) {
  return addMixes((traffic ?? []).map(({ protocol, rates }) => (protocol === 'grpc' ? grpcMix(rates, `grpc${way}`) : httpMix(rates, `http${way}`))));
}

const SEVERITY = /** @type {Health[]} */ (['none', 'idle', 'tcp', 'healthy', 'degraded', 'failing']);

/** @param {Health[]} healths @returns {Health} the gravest */
export const worst = (healths) => SEVERITY[Math.max(0, ...healths.map((health) => SEVERITY.indexOf(health)))];

export const HEALTH_WORDS = Object.freeze({
  healthy: 'Healthy', degraded: 'Degraded', failing: 'Failing', idle: 'Idle', tcp: 'TCP', none: 'No requests',
});
