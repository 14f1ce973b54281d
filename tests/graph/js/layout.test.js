import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inside } from '../../../graph/static/js/box-layout.js';
import { along, bends, fitInto, neighbour, shifts } from '../../../graph/static/js/layout.js';

const places = [{ id: 'a', x: 0, y: 0 }, { id: 'b', x: 100, y: 10 }, { id: 'c', x: 60, y: 90 }, { id: 'd', x: 0, y: 100 }];

test('arrow keys go to the nearest node in their direction', () => {
  assert.equal(neighbour(places, places[0], 'ArrowRight'), 'b');
  assert.equal(neighbour(places, places[0], 'ArrowDown'), 'd');
  assert.equal(neighbour(places, places[3], 'ArrowUp'), 'a');
  assert.equal(neighbour(places, places[0], 'ArrowLeft'), null);
});

test('labels move off names, and stay where nothing is in the way', () => {
  const rect = (x, y) => ({ x1: x, x2: x + 20, y1: y, y2: y + 10 });
  const moves = shifts([{ id: 'free', rect: rect(100, 0) }, { id: 'covered', rect: rect(0, 0) }, { id: 'second', rect: rect(100, 2) }], [rect(5, 5)]);
  assert.equal(moves.get('free'), 0);
  assert.ok(moves.get('covered') < 0);
  assert.notEqual(moves.get('second'), 0);
});

test('the picture is fitted between its margins, never blown up too far', () => {
  const margin = { left: 100, right: 0, top: 0, bottom: 0 };
  const wide = fitInto({ x1: 0, y1: 0, x2: 1000, y2: 10 }, { width: 600, height: 400 }, margin, 2);
  assert.equal(wide.zoom, 0.5);
  assert.deepEqual(wide.pan, { x: 100, y: 197.5 });
  assert.equal(fitInto({ x1: 0, y1: 0, x2: 10, y2: 10 }, { width: 600, height: 400 }, margin, 2).zoom, 2);
});

test('edges go around nodes that stand in their way', () => {
  const nodes = [{ id: 'a', rect: { x1: -5, y1: -5, x2: 5, y2: 5 } }, { id: 'b', rect: { x1: 195, y1: -5, x2: 205, y2: 5 } }, { id: 'c', rect: { x1: 90, y1: -10, x2: 110, y2: 10 } }];
  const edge = { id: 'e', source: 'a', target: 'b', from: { x: 0, y: 0 }, to: { x: 200, y: 0 } };
  const bend = bends([edge], nodes).get('e');
  assert.notEqual(bend, 0);
  assert.ok(Math.abs(along(edge.from, edge.to, bend, 0.5).y) > 10);
  assert.equal(bends([edge], nodes.slice(0, 2)).get('e'), 0);
  assert.deepEqual(along(edge.from, edge.to, 40, 0.5), { x: 100, y: 20 });
});

test('inside a box services stand left of workloads, apart from each other', () => {
  const { width, height, places } = inside([{ id: 's', shape: 'service' }, { id: 'v1', shape: 'app' }, { id: 'v2', shape: 'app' }]);
  assert.ok(places.get('s').x < places.get('v1').x);
  assert.equal(places.get('v1').x, places.get('v2').x);
  assert.ok(places.get('v2').y - places.get('v1').y > 80);
  for (const { x, y } of places.values()) assert.ok(Math.abs(x) + 23 <= width / 2 && Math.abs(y) + 23 <= height / 2);
  assert.deepEqual([...inside([{ id: 'one', shape: 'app' }]).places.values()], [{ x: 0, y: 0 }]);
});
