/**
 * The expressions of the Find and Hide fields: `name = cmpt756s2`, `%error > 10`, `node = service`, `idle`, `!healthy and rate > 1`.
 * Comparisons and words follow Kiali's help page; here AND binds stronger than OR, and parentheses are allowed.
 */
import { edgeErrors, edgeHealth, edgeMix, num } from './health.js';

/** An expression that cannot be read, with the place. */
export class FindError extends Error {}

/**
 * @typedef {{kind: 'node' | 'edge', data: Record<string, any>, health: string, label: string}} Item what an expression is asked about
 * @typedef {(item: Item) => boolean} Predicate
 */

/** @param {Item} item @param {string} key rates of a node, all protocols @returns {number} */
const nodeRate = (item, key) => (item.data.traffic ?? []).reduce((/** @type {number} */ sum, /** @type {any} */ t) => sum + num(t.rates?.[key]), 0);
/** @param {Item} item @param {string} key @returns {number} */
const edgeRate = (item, key) => num(item.data.traffic?.rates?.[key]);

/** Operands that are compared: which elements have them, and their value. A list means: any of them. */
export const OPERANDS = Object.freeze({
  name: { on: 'node', help: 'any name of a node: app, service, workload, operation, label', value: (/** @type {Item} */ i) => [i.data.app, i.data.service, i.data.workload, i.data.aggregate, i.label] },
  app: { on: 'node', help: 'app label', value: (/** @type {Item} */ i) => i.data.app },
  version: { on: 'node', help: 'version label', value: (/** @type {Item} */ i) => i.data.version },
  workload: { on: 'node', help: 'workload name', value: (/** @type {Item} */ i) => i.data.workload },
  service: { on: 'node', help: 'service name', value: (/** @type {Item} */ i) => [i.data.service, ...(i.data.destServices ?? []).map((/** @type {any} */ s) => s.name)] },
  namespace: { on: 'node', help: 'namespace', value: (/** @type {Item} */ i) => i.data.namespace },
  cluster: { on: 'node', help: 'cluster', value: (/** @type {Item} */ i) => i.data.cluster },
  operation: { on: 'node', help: 'operation name', value: (/** @type {Item} */ i) => i.data.aggregateValue ?? i.data.aggregate },
  node: { on: 'node', help: 'kind: app, service, serviceentry, workload, unknown, operation, box', value: (/** @type {Item} */ i) => nodeKinds(i.data) },
  health: { on: 'both', help: 'healthy, degraded, failing', value: (/** @type {Item} */ i) => i.health },
  httpin: { on: 'node', help: 'HTTP requests/s received', value: (/** @type {Item} */ i) => nodeRate(i, 'httpIn') },
  httpout: { on: 'node', help: 'HTTP requests/s sent', value: (/** @type {Item} */ i) => nodeRate(i, 'httpOut') },
  grpcin: { on: 'node', help: 'gRPC requests/s received', value: (/** @type {Item} */ i) => nodeRate(i, 'grpcIn') },
  grpcout: { on: 'node', help: 'gRPC requests/s sent', value: (/** @type {Item} */ i) => nodeRate(i, 'grpcOut') },
  tcpin: { on: 'node', help: 'TCP bytes/s received', value: (/** @type {Item} */ i) => nodeRate(i, 'tcpIn') },
  tcpout: { on: 'node', help: 'TCP bytes/s sent', value: (/** @type {Item} */ i) => nodeRate(i, 'tcpOut') },
  rank: { on: 'node', help: '1 for what most nodes ask', value: (/** @type {Item} */ i) => /** @type {any} */ (i).rank },
  rate: { on: 'edge', help: 'requests/s (HTTP and gRPC)', value: (/** @type {Item} */ i) => edgeMix(i.data.traffic).total },
  http: { on: 'edge', help: 'HTTP requests/s', value: (/** @type {Item} */ i) => edgeRate(i, 'http') },
  grpc: { on: 'edge', help: 'gRPC requests/s', value: (/** @type {Item} */ i) => edgeRate(i, 'grpc') },
  tcp: { on: 'edge', help: 'TCP bytes/s', value: (/** @type {Item} */ i) => edgeRate(i, 'tcp') },
  protocol: { on: 'edge', help: 'http, grpc or tcp', value: (/** @type {Item} */ i) => i.data.traffic?.protocol },
  responsetime: { on: 'edge', help: 'milliseconds, of the chosen percentile', value: (/** @type {Item} */ i) => (i.data.responseTime === undefined ? undefined : num(i.data.responseTime)) },
  throughput: { on: 'edge', help: 'bytes/s', value: (/** @type {Item} */ i) => (i.data.throughput === undefined ? undefined : num(i.data.throughput)) },
  '%error': { on: 'edge', help: 'percentage of failed requests', value: (/** @type {Item} */ i) => (i.data.traffic?.protocol === 'tcp' ? undefined : edgeErrors(i.data.traffic)) },
  '%traffic': { on: 'edge', help: "percentage of the source's requests", value: (/** @type {Item} */ i) => num(i.data.traffic?.rates?.httpPercentReq ?? i.data.traffic?.rates?.grpcPercentReq) },
});

/** Other names of operands, as Kiali accepts them. */
const ALIASES = /** @type {Record<string, keyof typeof OPERANDS>} */ ({
  wl: 'workload', svc: 'service', ns: 'namespace', op: 'operation', rt: 'responsetime', '%err': '%error', '%httperror': '%error', '%httperr': '%error',
  '%grpcerror': '%error', '%grpcerr': '%error', '%httptraffic': '%traffic', '%grpctraffic': '%traffic',
});

/** Words that are true or false of an element. */
export const WORDS = Object.freeze({
  idle: { on: 'both', help: 'no traffic in the window', test: (/** @type {Item} */ i) => (i.kind === 'edge' ? edgeHealth(i.data) === 'idle' : Boolean(i.data.isIdle)) },
  healthy: { on: 'both', help: 'neither degraded nor failing', test: (/** @type {Item} */ i) => i.health === 'healthy' || i.health === 'tcp' },
  degraded: { on: 'both', help: 'some requests fail', test: (/** @type {Item} */ i) => i.health === 'degraded' },
  failing: { on: 'both', help: 'many requests fail', test: (/** @type {Item} */ i) => i.health === 'failing' },
  traffic: { on: 'edge', help: 'has traffic in the window', test: (/** @type {Item} */ i) => i.kind === 'edge' && edgeHealth(i.data) !== 'idle' },
  mtls: { on: 'edge', help: 'encrypted by the mesh', test: (/** @type {Item} */ i) => i.kind === 'edge' && num(i.data.isMTLS) > 0 },
  virtualservice: { on: 'node', help: 'a VirtualService routes to it', test: (/** @type {Item} */ i) => Boolean(i.data.hasVS) },
  trafficshifting: { on: 'node', help: 'a VirtualService splits weights', test: (/** @type {Item} */ i) => Boolean(i.data.hasTrafficShifting || i.data.hasTCPTrafficShifting) },
  faultinjection: { on: 'node', help: 'a VirtualService injects faults', test: (/** @type {Item} */ i) => Boolean(i.data.hasFaultInjection) },
  circuitbreaker: { on: 'node', help: 'a DestinationRule sets outlier detection or limits', test: (/** @type {Item} */ i) => Boolean(i.data.hasCB) },
  sidecar: { on: 'node', help: 'has its sidecar', test: (/** @type {Item} */ i) => i.kind === 'node' && !i.data.isOutOfMesh },
  serviceentry: { on: 'node', help: 'named by a ServiceEntry', test: (/** @type {Item} */ i) => Boolean(i.data.isServiceEntry) },
  outside: { on: 'node', help: 'of a namespace that was not asked for', test: (/** @type {Item} */ i) => Boolean(i.data.isOutside) },
  trafficsource: { on: 'node', help: 'sends only', test: (/** @type {Item} */ i) => Boolean(i.data.isRoot) },
  inaccessible: { on: 'node', help: 'of a namespace that may not be read', test: (/** @type {Item} */ i) => Boolean(i.data.isInaccessible) },
  dead: { on: 'node', help: 'without pods', test: (/** @type {Item} */ i) => Boolean(i.data.isDead) },
  unknown: { on: 'node', help: 'the unknown source', test: (/** @type {Item} */ i) => i.data.nodeType === 'unknown' },
  box: { on: 'node', help: 'a box around the nodes of an app', test: (/** @type {Item} */ i) => Boolean(i.data.isBox) },
});
const WORD_ALIASES = /** @type {Record<string, keyof typeof WORDS>} */ ({
  vs: 'virtualservice', cb: 'circuitbreaker', se: 'serviceentry', fi: 'faultinjection', ts: 'trafficshifting', sc: 'sidecar', root: 'trafficsource', failure: 'failing',
});

/** @param {Record<string, any>} data @returns {string[]} */
function nodeKinds(data) {
  const kinds = [data.isBox ? 'box' : data.nodeType];
  if (data.isServiceEntry) kinds.push('serviceentry', 'se');
  if (data.nodeType === 'aggregate') kinds.push('operation', 'op');
  if (data.nodeType === 'service') kinds.push('svc');
  if (data.nodeType === 'workload') kinds.push('wl');
  return kinds;
}

const TOKEN = /\s*(?:("[^"]*"|'[^']*')|(\(|\))|(!\*=|!\^=|!\$=|\*=|\^=|\$=|!=|>=|<=|=|>|<|!)|([^\s()=<>!*^$"']+))/y;

/** @param {string} text @returns {{type: 'text' | 'bracket' | 'op' | 'word', value: string, at: number}[]} */
function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new FindError(`Cannot read '${text.slice(at).trim()}'.`);
    const [, quoted, bracket, op, word] = match;
    if (quoted !== undefined) found.push({ type: /** @type {const} */ ('text'), value: quoted.slice(1, -1), at });
    else if (bracket) found.push({ type: /** @type {const} */ ('bracket'), value: bracket, at });
    else if (op) found.push({ type: /** @type {const} */ ('op'), value: op, at });
    else found.push({ type: /** @type {const} */ ('word'), value: word, at });
  }
  return found;
}

/** Comparisons; texts without regard to case. */
const COMPARE = /** @type {Record<string, (a: string, b: string) => boolean>} */ ({
  '=': (a, b) => a === b, '*=': (a, b) => a.includes(b), '^=': (a, b) => a.startsWith(b), '$=': (a, b) => a.endsWith(b),
});
const COMPARE_NUMBER = /** @type {Record<string, (a: number, b: number) => boolean>} */ ({
  '=': (a, b) => a === b, '>': (a, b) => a > b, '<': (a, b) => a < b, '>=': (a, b) => a >= b, '<=': (a, b) => a <= b,
});
const OPERATOR_WORDS = /** @type {Record<string, string>} */ ({ contains: '*=', startswith: '^=', endswith: '$=' });

/**
 * @param {string} text
 * @returns {Predicate | null} null for an empty expression
 * @throws {FindError} with what is wrong and which words exist
 */
export function compile(text) {
  if (text.trim() === '') return null;
  const list = tokens(text);
  let next = 0;
  const isWord = (/** @type {string[]} */ ...words) => list[next]?.type === 'word' && words.includes(list[next].value.toLowerCase());

  /** @returns {Predicate} */
  function either() {
    const parts = [both()];
    while (isWord('or')) { next += 1; parts.push(both()); }
    return parts.length === 1 ? parts[0] : (item) => parts.some((part) => part(item));
  }
  /** @returns {Predicate} */
  function both() {
    const parts = [not()];
    while (isWord('and')) { next += 1; parts.push(not()); }
    return parts.length === 1 ? parts[0] : (item) => parts.every((part) => part(item));
  }
  /** @returns {Predicate} */
  function not() {
    if (isWord('not') || (list[next]?.type === 'op' && list[next].value === '!')) {
      next += 1;
      const { on, predicate } = single();
      // "not idle" of a node says nothing about edges, and the other way round.
      return (item) => (on === 'both' || on === item.kind) && !predicate(item);
    }
    return single().predicate;
  }
  /** @returns {{on: string, predicate: Predicate}} */
  function single() {
    const token = list[next];
    if (!token) throw new FindError('The expression ends too early.');
    if (token.value === '(' && token.type === 'bracket') {
      next += 1;
      const inner = either();
      if (list[next]?.value !== ')') throw new FindError("A ')' is missing.");
      next += 1;
      return { on: 'both', predicate: inner };
    }
    if (token.type !== 'word') throw new FindError(`'${token.value}' stands where a name is expected.`);
    next += 1;
    let name = token.value.toLowerCase();
    if ((name === 'is' || name === 'has') && list[next]?.type === 'word') { name = list[next].value.toLowerCase(); next += 1; }
    const after = list[next];
    const negatedWord = after?.type === 'word' && after.value.toLowerCase() === 'not' && list[next + 1]?.type === 'word' && list[next + 1].value.toLowerCase() in OPERATOR_WORDS;
    const operatorWord = after?.type === 'word' && after.value.toLowerCase() in OPERATOR_WORDS;
    if ((after?.type === 'op' && after.value !== '!') || operatorWord || negatedWord) {
      let op = operatorWord ? OPERATOR_WORDS[after.value.toLowerCase()] : after.value;
      if (negatedWord) { op = `!${OPERATOR_WORDS[list[next + 1].value.toLowerCase()]}`; next += 1; }
      next += 1;
      return comparison(name, op);
    }
    const word = WORD_ALIASES[name] ?? name;
    const entry = /** @type {Record<string, {on: string, test: Predicate}>} */ (WORDS)[word];
    if (entry) return { on: entry.on, predicate: entry.test };
    if (name in OPERANDS || name in ALIASES) throw new FindError(`After '${token.value}' a comparison is missing, for example '${token.value} = ...'.`);
    throw new FindError(`'${token.value}' is unknown. Words: ${Object.keys(WORDS).join(', ')}. To compare: ${Object.keys(OPERANDS).join(', ')}.`);
  }
  /** @param {string} name @param {string} op */
  function comparison(name, op) {
    const key = ALIASES[name] ?? name;
    const operand = /** @type {Record<string, {on: string, value: (item: Item) => any}>} */ (OPERANDS)[key];
    if (!operand) throw new FindError(`'${name}' cannot be compared. Possible: ${Object.keys(OPERANDS).join(', ')}.`);
    const token = list[next];
    if (!token || (token.type !== 'word' && token.type !== 'text')) throw new FindError(`After '${name} ${op}' a value is missing.`);
    next += 1;
    const negate = op.startsWith('!');
    const base = negate ? op.slice(1) : op;
    const wanted = token.value.toLowerCase();
    const wantedNumber = Number(wanted.replace(/%|ms$/, ''));
    if (base in COMPARE_NUMBER && base !== '=' && !Number.isFinite(wantedNumber)) throw new FindError(`'${name} ${op}' wants a number, not '${token.value}'.`);
    const matches = (/** @type {any} */ value) => {
      if (typeof value === 'number') return base in COMPARE_NUMBER ? COMPARE_NUMBER[base](value, wantedNumber) : COMPARE[base](String(value), wanted);
      return base in COMPARE && COMPARE[base](String(value).toLowerCase(), wanted);
    };
    /** @type {Predicate} */
    const predicate = (item) => {
      if (operand.on !== 'both' && operand.on !== item.kind) return false;
      const values = [operand.value(item)].flat().filter((value) => value !== undefined && value !== null && value !== '');
      return negate ? values.length > 0 && !values.some(matches) : values.some(matches);
    };
    return { on: operand.on, predicate };
  }

  const result = either();
  if (next < list.length) throw new FindError(`'${list[next].value}' is too much: join conditions with 'and' or 'or'.`);
  return result;
}
