import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, get, graphParams, nodeParams, zoomPath } from '../../../graph/static/js/api.js';
import { waitFor } from '../../../graph/static/js/poller.js';
import { DEFAULTS } from '../../../graph/static/js/state.js';

const view = { ...DEFAULTS, namespaces: ['a', 'b'] };

test("the request is Kiali's", () => {
  assert.deepEqual(graphParams(view), {
    namespaces: 'a,b', graphType: 'versionedApp', duration: '60s', injectServiceNodes: true, includeIdleEdges: false, boxBy: 'app', waypoints: true,
    appenders: 'ambient,deadNode,health,istio,meshCheck,responseTime,serviceEntry,throughput', responseTime: '95', throughputType: 'request', aggregate: undefined,
  });
  const more = graphParams({ ...view, idleNodes: true, operationNodes: true, edges: ['avg', 'throughputResponse'] });
  assert.equal(more.appenders, 'aggregateNode,ambient,deadNode,health,idleNode,istio,meshCheck,responseTime,serviceEntry,throughput');
  assert.deepEqual([more.responseTime, more.throughputType, more.aggregate], ['avg', 'response', 'request_operation']);
});

test('switches become parameters', () => {
  const more = graphParams({ ...view, security: true, boxByNamespace: true, boxByCluster: true, waypoints: false }, 42);
  assert.match(more.appenders, /securityPolicy/);
  assert.deepEqual([more.boxBy, more.waypoints, more.duration], ['app,namespace,cluster', false, '42s']);
});

test('the zoomed graph of a node has an address of its own, where there is one', () => {
  const node = (more) => zoomPath({ namespace: 'n', ...more });
  assert.equal(node({ nodeType: 'app', app: 'a', version: 'v1' }), 'api/namespaces/n/applications/a/versions/v1/graph');
  assert.equal(node({ nodeType: 'app', app: 'a' }), 'api/namespaces/n/applications/a/graph');
  assert.equal(node({ nodeType: 'box', isBox: 'app', app: 'a' }), 'api/namespaces/n/applications/a/graph');
  assert.equal(node({ nodeType: 'workload', workload: 'w', app: 'a' }), 'api/namespaces/n/workloads/w/graph');
  assert.equal(node({ nodeType: 'service', service: 's' }), 'api/namespaces/n/services/s/graph');
  for (const more of [{ nodeType: 'service', service: 's', isServiceEntry: {} }, { nodeType: 'unknown', namespace: 'unknown' }, { nodeType: 'box', isBox: 'namespace' }, { nodeType: 'aggregate' }]) assert.equal(node(more), null);
});

test('names of a node for the details', () => {
  assert.deepEqual(nodeParams({ id: 'x', namespace: 'n', nodeType: 'service', service: 's' }, 'dest.'), { 'dest.namespace': 'n', 'dest.nodeType': 'service', 'dest.service': 's' });
});

test('failures are retried sooner than the interval, and later and later', () => {
  assert.equal(waitFor(15000, 0), 15000);
  assert.deepEqual([1, 2, 3, 4, 9].map((failures) => waitFor(60000, failures)), [2000, 4000, 8000, 15000, 15000]);
  assert.equal(waitFor(10000, 9), 10000);
  assert.equal(waitFor(0, 0), Infinity);
  assert.equal(waitFor(0, 3), Infinity);
});

test('errors carry reason and cure', async (context) => {
  const answer = (status, text) => context.mock.method(globalThis, 'fetch', async () => new Response(text, { status }));
  answer(503, '{"error": "Prometheus is away", "reason": "prometheusUnreachable", "cure": "Start it."}');
  await assert.rejects(get('api/x'), (error) => error instanceof ApiError && error.reason === 'prometheusUnreachable' && error.cure === 'Start it.' && error.status === 503);
  answer(200, '<html>');
  await assert.rejects(get('api/x'), /not JSON/);
  context.mock.method(globalThis, 'fetch', async () => { throw new TypeError('failed'); });
  await assert.rejects(get('api/x'), /cannot be reached/);
});

test('absent parameters are left out', async (context) => {
  const fetch = context.mock.method(globalThis, 'fetch', async () => new Response('{}'));
  await get('api/x', { a: undefined, b: '', c: false, d: 'x y' });
  assert.equal(fetch.mock.calls[0].arguments[0], 'api/x?c=false&d=x+y');
});
