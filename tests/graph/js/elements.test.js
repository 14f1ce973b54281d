import assert from 'node:assert/strict';
import { test } from 'node:test';
import { around, build, edgeLabel, layoutKey } from '../../../graph/static/js/elements.js';
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
  graph.elements.nodes.find(({ data }) => data.id === 'db').data.hasMissingSC = true;
  assert.deepEqual(badges(build(graph, view), 'db'), ['nosidecar']);
  assert.deepEqual(badges(build(graph, { ...view, badgeSidecars: false }), 'db'), []);
});

test('labels of edges, one line for each choice, errors after the first', () => {
  assert.equal(edgeLabel(edge('s2-v1'), ['rate']), '4.5');
  assert.equal(edgeLabel(edge('s2-v2'), ['rate']), '0.5\n50% err');
  assert.equal(edgeLabel(edge('s2-v2'), ['rt95', 'distribution', 'rate']), '0.5\n50% err\n10%\n1.1s');
  assert.equal(edgeLabel(edge('s2-v1'), ['distribution', 'throughputRequest']), '90%\n1.5kps'.replace('1.5', '1.49'));
  assert.equal(edgeLabel(edge('db-ddb'), ['rate']), '5.2kps');
  assert.equal(edgeLabel(edge('unk-v1'), ['rate']), '0.03');
  assert.equal(edgeLabel(edge('v2-db'), ['rate']), '');
  assert.equal(edgeLabel(edge('s2-v1'), []), '');
});

test('few errors do not read as none', () => {
  assert.equal(edgeLabel({ traffic: { protocol: 'http', rates: { http: '100', http5xx: '0.4' } } }, ['rate']), '100\n0.4% err');
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
