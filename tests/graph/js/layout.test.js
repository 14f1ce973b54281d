import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inside } from '../../../graph/static/js/box-layout.js';
import { along, bends, crowded, fitInto, neighbour, shifts, textScale } from '../../../graph/static/js/layout.js';

const places = [{ id: 'a', x: 0, y: 0 }, { id: 'b', x: 100, y: 10 }, { id: 'c', x: 60, y: 90 }, { id: 'd', x: 0, y: 100 }];

test('arrow keys go to the nearest node in their direction', () => {
  assert.equal(neighbour(places, places[0], 'ArrowRight'), 'b');
  assert.equal(neighbour(places, places[0], 'ArrowDown'), 'd');
  assert.equal(neighbour(places, places[3], 'ArrowUp'), 'a');
  assert.equal(neighbour(places, places[0], 'ArrowLeft'), null);
});

const level = (x, y) => (t) => ({ x: x + 200 * (t - 0.5), y });

test('labels stay in the middle where nothing is in the way, and slide along their edge where something is', () => {
  const name = { x1: -10, x2: 10, y1: -10, y2: 10 };
  const moves = shifts([{ id: 'free', width: 20, height: 10, at: level(500, 0) }, { id: 'covered', width: 20, height: 10, at: level(0, 0) }], [name]);
  assert.deepEqual(moves.get('free'), { x: 0, y: 0 });
  assert.ok(Math.abs(moves.get('covered').x) >= 20);
  assert.equal(moves.get('covered').y, 0);
});

test('where two edges cross, neither label stands on the other edge', () => {
  const falling = (t) => ({ x: 200 * t, y: 200 * t });
  const rising = (t) => ({ x: 200 * t, y: 200 - 200 * t });
  const moves = shifts([{ id: 'falling', width: 30, height: 18, at: falling }, { id: 'rising', width: 30, height: 36, at: rising }], []);
  const where = (id, at) => ({ x: at(0.5).x + moves.get(id).x, y: at(0.5).y + moves.get(id).y });
  for (const [id, at, other, size] of [['falling', falling, rising, [30, 18]], ['rising', rising, falling, [30, 36]]]) {
    const { x, y } = where(id, at);
    for (let t = 0; t <= 1; t += 1 / 48) assert.ok(Math.abs(other(t).x - x) >= size[0] / 2 || Math.abs(other(t).y - y) >= size[1] / 2, `${id} stands on the other`);
  }
});

test('a label for which its whole edge is too short moves up or down', () => {
  const short = (t) => ({ x: 40 * t, y: 0 });
  const moves = shifts([{ id: 'e', width: 36, height: 18, at: short }], [{ x1: -20, x2: 60, y1: -4, y2: 30 }]);
  assert.equal(moves.get('e').x, 0);
  assert.ok(moves.get('e').y < 0);
});

test('labels that cover something are counted', () => {
  const name = { x1: -10, x2: 10, y1: -10, y2: 10 };
  const labels = [{ id: 'a', width: 20, height: 10, at: level(0, 0) }, { id: 'b', width: 20, height: 10, at: level(5, 40) }, { id: 'c', width: 20, height: 10, at: level(0, 44) }];
  assert.equal(crowded(labels, [name], new Map()), 2);
  assert.equal(crowded(labels, [name], shifts(labels, [name])), 0);
});

test('the picture is fitted between its margins, never blown up too far', () => {
  const margin = { left: 100, right: 0, top: 0, bottom: 0 };
  const wide = fitInto({ x1: 0, y1: 0, x2: 1000, y2: 10 }, { width: 600, height: 400 }, margin, 2);
  assert.equal(wide.zoom, 0.5);
  assert.deepEqual(wide.pan, { x: 100, y: 197.5 });
  assert.equal(fitInto({ x1: 0, y1: 0, x2: 10, y2: 10 }, { width: 600, height: 400 }, margin, 2).zoom, 2);
});

test('text is as large as it must be to be read, within reason', () => {
  assert.equal(textScale(1, 15), 1);
  assert.equal(textScale(3, 15), 1);
  assert.equal(textScale(0.5, 15) * 15 * 0.5, 12);
  assert.equal(textScale(0.1, 15), 2);
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
