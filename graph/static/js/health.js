/**
 * Healthy, degraded or failing. Rule and thresholds are Kiali's defaults: for 5xx and requests without response any failure
 * degrades and 10 % fail; for 4xx 10 % degrade and 20 % fail.
 */

/** @typedef {'healthy' | 'degraded' | 'failing' | 'idle' | 'tcp' | 'none'} Health */

export const THRESHOLDS = Object.freeze({ '5xx': { degraded: 0, failure: 10 }, '4xx': { degraded: 10, failure: 20 } });

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
  const r5xx = Math.min(total, num(rates[`${key}Err`]));
  return { total, ok: total - r5xx, r3xx: 0, r4xx: 0, r5xx, none: 0 };
}

/** @param {Mix} mix @returns {number} percentage of failed requests: 4xx, 5xx and no response */
export const errorPercent = (mix) => (mix.total > 0 ? (100 * (mix.r4xx + mix.r5xx + mix.none)) / mix.total : 0);

/** @param {Mix} mix @returns {Health} */
export function mixHealth(mix) {
  if (mix.total <= 0) return 'none';
  const server = (100 * (mix.r5xx + mix.none)) / mix.total;
  const client = (100 * mix.r4xx) / mix.total;
  const [five, four] = [THRESHOLDS['5xx'], THRESHOLDS['4xx']];
  if (server >= five.failure || client >= four.failure) return 'failing';
  if (server > five.degraded || client >= four.degraded) return 'degraded';
  return 'healthy';
}

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

/**
 * @param {{protocol?: string, rates?: Record<string, string>} | undefined} traffic of an edge
 * @returns {Health}
 */
export function edgeHealth(traffic) {
  const rates = traffic?.rates ?? {};
  if (traffic?.protocol === 'tcp') return num(rates.tcp) > 0 ? 'tcp' : 'idle';
  const health = mixHealth(edgeMix(traffic));
  return health === 'none' ? 'idle' : health;
}

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
