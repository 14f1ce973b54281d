import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../../../graph/static/js/elements.js';
import { FindError, compile } from '../../../graph/static/js/find.js';
import { DEFAULTS } from '../../../graph/static/js/state.js';
import { exercise } from './exercise.js';

const model = build(exercise(), { ...DEFAULTS, namespaces: ['c756ns'] });
const found = (text) => [...model.byId.values()].filter(compile(text)).map(({ id }) => id).sort();

for (const [text, ids] of [
  ['name = cmpt756s2', ['box2', 's2', 'v1', 'v2']],
  ['NAME = CMPT756S2 AND version = V2', ['v2']],
  ['node = service', ['ddb', 's2']],
  ['node = serviceentry', ['ddb']],
  ['node = unknown', ['unk']],
  ['node != app', ['box2', 'ddb', 's2', 'unk']],
  ['app ^= cmpt and version = v1', ['db', 'v1']],
  ['app $= s2', ['box2', 's2', 'v1', 'v2']],
  ['app contains 756d', ['db']],
  ['app not contains 756', ['gw', 'unk']],
  ['app !*= 756', ['gw', 'unk']],
  ['%error > 10', ['s2-v2']],
  ['%error>=5', ['gw-s2', 's2-v2']],
  ['%httperr > 10%', ['s2-v2']],
  ['rate > 1 and %traffic < 100', ['s2-v1']],
  ['rt > 1000', ['s2-v2']],
  ['protocol = tcp', ['db-ddb']],
  ['tcp > 1024', ['db-ddb']],
  ['throughput > 1500', ['s2-v1']],
  ['idle', ['v2-db']],
  ['failing', ['box2', 's2-v2', 'v2']],
  ['is failing or is degraded', ['box2', 'gw', 'gw-s2', 's2', 's2-v2', 'v2']],
  ['has vs', ['s2']],
  ['trafficshifting', ['s2']],
  ['outside', ['gw']],
  ['root', ['gw', 'unk']],
  ['not traffic', ['v2-db']],
  ['! vs and node = service', ['ddb']],
  ['namespace = istio-system or (version = v2 and !failing)', ['gw']],
  ['namespace = istio-system or version = v2 and failing', ['gw', 'v2']],
  ['name = "istio-ingressgateway"', ['gw']],
  ['httpin > 4.6', ['db', 's2']],
  ['httpout > 0', ['gw']],
]) test(`find: ${text}`, () => assert.deepEqual(found(text), ids));

test('an empty expression is none', () => assert.equal(compile('   '), null));

for (const [text, message] of [
  ['colour = red', /'colour' cannot be compared/],
  ['colour', /'colour' is unknown/],
  ['name =', /value is missing/],
  ['name', /comparison is missing/],
  ['%error > many', /wants a number/],
  ['(idle', /'\)' is missing/],
  ['idle failing', /join conditions/],
  ['idle and', /ends too early/],
  ['= 3', /stands where a name is expected/],
]) test(`refused: ${text}`, () => assert.throws(() => compile(text), (error) => error instanceof FindError && message.test(error.message)));
