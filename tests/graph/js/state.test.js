import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULTS, Store, onePerGroup, parse, serialize, toggleLabel, windowOf } from '../../../graph/static/js/state.js';

test('the defaults are an empty address', () => {
  assert.equal(serialize(parse('')), '');
  assert.deepEqual(parse(''), { ...DEFAULTS });
});

test('a view survives its address', () => {
  const view = { ...DEFAULTS, namespaces: ['a', 'b'], graphType: 'workload', duration: 600, refresh: 0, edges: ['rate', 'rt99'], animation: true, find: '%error > 10 and name = "x & y"', focus: 'ab12', select: 'cd34', compressed: false };
  const address = serialize(view);
  assert.ok(address.startsWith('?namespaces=a,b&'), address);
  assert.deepEqual(parse(address), view);
});

test('no labels at all survive, too', () => {
  assert.deepEqual(parse(serialize({ ...DEFAULTS, edges: [] })).edges, []);
});

test('nonsense falls back to the defaults', () => {
  const view = parse('?graphType=pie&duration=7&refresh=fast&animation=perhaps&edges=rate,colour&other=1');
  assert.deepEqual(view, { ...DEFAULTS, edges: ['rate'] });
});

test("Kiali's seconds may carry their unit", () => {
  assert.equal(parse('?duration=300s').duration, 300);
});

test('of the response times only the last chosen stays, of the throughputs too', () => {
  assert.deepEqual(toggleLabel(['rate', 'rt50'], 'rt95', true), ['rate', 'rt95']);
  assert.deepEqual(toggleLabel(['rate', 'rt95'], 'rt95', false), ['rate']);
  assert.deepEqual(onePerGroup(['avg', 'throughputRequest', 'rate', 'rt99', 'throughputResponse']), ['rate', 'rt99', 'throughputResponse']);
});

test('the store tells what changed, and only then', () => {
  const store = new Store(parse(''));
  const heard = [];
  store.subscribe((view, changed) => heard.push([...changed], view.duration));
  store.set({ duration: 60 });
  assert.deepEqual(heard, []);
  store.set({ duration: 300, select: '' });
  assert.deepEqual(heard, [['duration'], 300]);
});

test('the window since the last change', () => {
  const changes = [{ time: 1000 }, { time: 1500 }];
  assert.equal(windowOf(300, 2000, changes), 300);
  assert.equal(windowOf(0, 1600, changes), 100);
  assert.equal(windowOf(0, 1505, changes), 20);
  assert.equal(windowOf(0, 99999, changes), 3600);
  assert.equal(windowOf(0, 1600, []), 3600);
  assert.equal(parse('?duration=0').duration, 0);
});
