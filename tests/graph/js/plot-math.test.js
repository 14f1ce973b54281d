import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extremes, path, runs, ticks, timeRange, valueAt } from '../../../graph/static/js/plot-math.js';

test('ticks are round and reach the largest value', () => {
  assert.deepEqual(ticks(5.4), [0, 2, 4, 6]);
  assert.deepEqual(ticks(0.03), [0, 0.01, 0.02, 0.03]);
  assert.deepEqual(ticks(24.8), [0, 10, 20, 30]);
  assert.deepEqual(ticks(0), [0, 0.5, 1]);
  assert.deepEqual(ticks(5000, 3, 1024), [0, 2048, 4096, 6144]);
  assert.deepEqual(ticks(500, 3, 1024), [0, 200, 400, 600]);
  for (const max of [1, 7, 13, 99, 100, 101, 1e6]) {
    const list = ticks(max);
    assert.ok(list.at(-1) >= max * 0.999 && list.length <= 6, `${max}: ${list}`);
  }
});

test('a gap parts the line', () => {
  assert.deepEqual(runs([[1, 1], [2, 2], [3, null], [4, 4]]), [[[1, 1], [2, 2]], [[4, 4]]]);
  assert.deepEqual(runs([[1, null]]), []);
  assert.equal(path([[1, 1], [2, 2]], (t) => 10 * t, (v) => 5 * v), 'M10.0 5.0L20.0 10.0');
});

test('extremes, range, nearest value', () => {
  assert.deepEqual(extremes([[1, 3], [2, null], [3, 1]]), { min: 1, max: 3, last: 1 });
  assert.equal(extremes([[1, null]]), null);
  assert.deepEqual(timeRange([[[5, 1], [9, 1]], [], [[1, 1]]]), [1, 9]);
  assert.equal(valueAt([[1, 10], [5, 50]], 4), 50);
});
