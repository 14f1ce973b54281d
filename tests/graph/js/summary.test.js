import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../../../graph/static/js/elements.js';
import { DEFAULTS } from '../../../graph/static/js/state.js';
import { edgeRow, nodeRow, sentence } from '../../../graph/static/js/summary.js';
import { exercise } from './exercise.js';

const view = { ...DEFAULTS, namespaces: ['c756ns'] };
const model = build(exercise(), view);

test('the picture in one sentence', () => {
  assert.equal(sentence(model, view), 'Graph of c756ns, last 1m: 7 nodes, 7 edges. Failing: service cmpt756s2 to cmpt756s2 v2 (50% errors). Degraded: istio-ingressgateway latest to service cmpt756s2 (5% errors).');
  const healthy = build({ elements: { nodes: exercise().elements.nodes, edges: [exercise().elements.edges[1]] } }, view);
  assert.match(sentence(healthy, view), /1 edge\. No errors\.$/);
  const zoomed = { ...view, focus: 'v2' };
  assert.match(sentence(build(exercise(), zoomed), zoomed), /^Zoomed to cmpt756s2 v2,/);
});

test('rows of the tables say what the picture says', () => {
  assert.deepEqual(edgeRow(model.byId.get('s2-v2'), model), ['service cmpt756s2', 'cmpt756s2 v2', 'http', '0.5 rps', '50%', '10%', '1.1s', '–', '–', '–', 'Failing']);
  assert.deepEqual(edgeRow(model.byId.get('db-ddb'), model), ['cmpt756db v1', 'service entry dynamodb', 'tcp', '5.2kps', '–', '–', '–', '–', '–', '–', 'TCP']);
  assert.deepEqual(nodeRow(model.byId.get('s2'), model), ['service cmpt756s2', 'service', 'c756ns', 'cmpt756s2', '5 rps', '0 rps', '*', 'splits weights', 'Degraded']);
});
