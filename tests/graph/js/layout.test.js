import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitInto, neighbour, shifts } from '../../../graph/static/js/layout.js';

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
