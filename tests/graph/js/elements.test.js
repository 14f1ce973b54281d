import assert from 'node:assert/strict';
import { test } from 'node:test';
import { around, build, edgeLabel, layoutKey, ranks } from '../../../graph/static/js/elements.js';
import { compile } from '../../../graph/static/js/find.js';
import { DEFAULTS } from '../../../graph/static/js/state.js';
import { exercise } from './exercise.js';

const view = { ...DEFAULTS, namespaces: ['c756ns'] };
const draw = (more = {}, hide = '') => build(exercise(), { ...view, ...more }, compile(hide));
const edge = (id) => exercise().elements.edges.find(({ data }) => data.id === id).data;

test('names: version inside the box, app and version outside, namespace of a stranger', () => {
  const labels = Object.fromEntries(draw().nodes.map(({ id, label }) => [id, label]));
  assert.deepEqual(labels, {
    box2: 'cmpt756s2', gw: 'istio-ingressgateway\nlatest\n(istio-system)', unk: 'unknown', s2: 'cmpt756s2', v1: 'v1', v2: 'v2', db: 'cmpt756db\nv1', ddb: 'dynamodb',
  });
});

test('shapes', () => {
  const shapes = Object.fromEntries(draw().nodes.map(({ id, shape }) => [id, shape]));
  assert.deepEqual(shapes, { box2: 'box', gw: 'app', unk: 'unknown', s2: 'service', v1: 'app', v2: 'app', db: 'app', ddb: 'serviceentry' });
});

test('badges: health always, virtual services and sidecars as chosen', () => {
  const badges = (model, id) => model.byId.get(id).badges;
  assert.deepEqual(badges(draw(), 's2'), ['degraded', 'shift']);
  assert.deepEqual(badges(draw({ badgeVS: false }), 's2'), ['degraded']);
  assert.deepEqual(badges(draw(), 'v2'), ['failing']);
  const graph = exercise();
  graph.elements.nodes.find(({ data }) => data.id === 'db').data.isOutOfMesh = true;
  assert.deepEqual(badges(build(graph, view), 'db'), ['nosidecar']);
  assert.deepEqual(badges(build(graph, { ...view, badgeSidecars: false }), 'db'), []);
});

test('labels of edges, one line for each choice, errors after the first', () => {
  assert.equal(edgeLabel(edge('s2-v1'), { edges: ['rate'] }), '4.5');
  assert.equal(edgeLabel(edge('s2-v2'), { edges: ['rate'] }), '0.5\n50% err');
  assert.equal(edgeLabel(edge('s2-v2'), { edges: ['rt95', 'distribution', 'rate'] }), '0.5\n50% err\n10%\n1.1s');
  assert.equal(edgeLabel(edge('s2-v1'), { edges: ['distribution', 'throughputRequest'] }), '90%\n1.5kps'.replace('1.5', '1.49'));
  assert.equal(edgeLabel(edge('db-ddb'), { edges: ['rate'] }), '5.2kps');
  assert.equal(edgeLabel(edge('unk-v1'), { edges: ['rate'] }), '0.03');
  assert.equal(edgeLabel(edge('v2-db'), { edges: ['rate'] }), '');
  assert.equal(edgeLabel(edge('s2-v1'), { edges: [] }), '');
});

test('few errors do not read as none', () => {
  assert.equal(edgeLabel({ traffic: { protocol: 'http', rates: { http: '100', http5xx: '0.4' } } }, { edges: ['rate'] }), '100\n0.4% err');
});

test('weights stand on the edges to versions, with what was seen', () => {
  const seen = { percent: 9.7, low: 8.1, high: 11.6, requests: 300 };
  const weights = [{ namespace: 'c756ns', service: 'cmpt756s2', versions: [{ version: 'v1', weight: 90, observed: null, verdict: 'noTraffic' }, { version: 'v2', weight: 10, observed: seen, verdict: 'agrees' }] }];
  const model = build(exercise(), { ...view, weights: true }, null, weights);
  assert.equal(model.byId.get('s2-v2').label, '0.5\n50% err\nset 10%, seen 9.7% (8–12)');
  assert.equal(model.byId.get('s2-v1').label, '4.5\nset 90%');
  assert.equal(model.byId.get('gw-s2').label, '5\n5% err');
  assert.equal(build(exercise(), view, null, weights).byId.get('s2-v2').label, '0.5\n50% err');
});

test('mutual TLS is said where it is asked for, and how much of it', () => {
  const secure = (isMTLS) => edgeLabel({ ...edge('s2-v1'), isMTLS }, { edges: ['rate'], security: true });
  assert.deepEqual([secure('100'), secure('75'), secure(undefined)], ['4.5\nmTLS', '4.5\nmTLS 75%', '4.5']);
  assert.equal(edgeLabel({ ...edge('s2-v1'), isMTLS: '100' }, { edges: ['rate'] }), '4.5');
});

test('ranks: what most nodes ask comes first, ties share', () => {
  const { nodes, edges } = exercise().elements;
  const found = ranks(nodes, edges);
  assert.equal(found.get('v1'), 1);
  assert.equal(found.get('db'), 1);
  assert.equal(found.get('s2'), 2);
  assert.equal(found.get('gw'), 3);
  assert.equal(found.has('box2'), false);
  assert.equal(draw({ rank: true }).byId.get('v1').label, 'v1\nrank 1');
  assert.deepEqual(draw({}, 'rank > 1').nodes.map(({ id }) => id).sort(), ['box2', 'db', 'v1']);
});

test('zoomed view: one step around, a service in between does not count', () => {
  const { nodes, edges } = exercise().elements;
  const stay = around('v1', nodes, edges);
  assert.deepEqual([...stay.nodes].sort(), ['box2', 'db', 'gw', 's2', 'unk', 'v1']);
  assert.deepEqual([...stay.edges].sort(), ['gw-s2', 's2-v1', 'unk-v1', 'v1-db']);
  assert.deepEqual([...around('ddb', nodes, edges).nodes].sort(), ['db', 'ddb']);
  assert.equal(around('nobody', nodes, edges).nodes.size, 0);
});

test('zoomed view of a box: around all that is in it', () => {
  const { nodes, edges } = exercise().elements;
  assert.deepEqual([...around('box2', nodes, edges).nodes].sort(), ['box2', 'db', 'gw', 's2', 'unk', 'v1', 'v2']);
});

test('a zoomed node that is gone shows the whole graph', () => {
  assert.equal(draw({ focus: 'nobody' }).nodes.length, 8);
  assert.equal(draw({ focus: 'nobody' }).focusTitle, '');
  assert.equal(draw({ focus: 'v2' }).focusTitle, 'cmpt756s2 v2');
});

test('hide takes edges of hidden nodes along, and empty boxes', () => {
  const model = draw({}, 'node = service or app = cmpt756s2');
  assert.deepEqual(model.nodes.map(({ id }) => id), ['gw', 'unk', 'db']);
  assert.deepEqual(model.edges, []);
  assert.equal(draw({}, 'version = v2').byId.has('box2'), true);
});

test('without compression hidden elements keep their place', () => {
  const model = draw({ compressed: false }, 'node = unknown');
  assert.equal(model.byId.get('unk').gap, true);
  assert.equal(model.byId.get('unk-v1').gap, true);
  assert.equal(model.byId.get('v1').gap, false);
  assert.equal(layoutKey(model), layoutKey(draw()));
});

test('the layout depends on nodes and boxes, not on traffic', () => {
  const graph = exercise();
  graph.elements.edges[0].data.traffic.rates.http = '99.00';
  graph.elements.edges.pop();
  assert.equal(layoutKey(build(graph, view)), layoutKey(draw()));
  assert.notEqual(layoutKey(draw({}, 'node = unknown')), layoutKey(draw()));
});
