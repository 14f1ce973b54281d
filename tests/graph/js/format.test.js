import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../../../graph/static/js/format.js';

test('numbers have two decimals, trailing zeros cut', () => {
  assert.equal(format.number(0.03), '0.03');
  assert.equal(format.number(5), '5');
  assert.equal(format.number(4.5), '4.5');
  assert.equal(format.number(100, 0), '100');
  assert.equal(format.number(-0.001), '0');
  assert.equal(format.number(NaN), '–');
});

test('times are ms, from 1000 s', () => {
  assert.equal(format.millis(12.4), '12ms');
  assert.equal(format.millis(7.13), '7.1ms');
  assert.equal(format.millis(1234), '1.23s');
  assert.equal(format.millis(NaN), '–');
});

test('bytes are bps below 1024, then kps and mps', () => {
  assert.equal(format.throughput(523.4), '523bps');
  assert.equal(format.throughput(1024), '1kps');
  assert.equal(format.throughput(5321.2), '5.2kps');
  assert.equal(format.throughput(3 * 1024 * 1024), '3mps');
});

test('durations and Pause', () => {
  assert.deepEqual([0, 15, 60, 600, 3600].map(format.duration), ['Pause', '15s', '1m', '10m', '1h']);
});

test("Grafana's units", () => {
  assert.equal(format.inUnit(1.5, 'reqps'), '1.5 req/s');
  assert.equal(format.inUnit(0.25, 's'), '250ms');
  assert.equal(format.inUnit(0.123, 'percentunit'), '12.3%');
  assert.equal(format.inUnit(2048, 'bytes'), '2 KiB');
  assert.equal(format.inUnit(10, 'Bps'), '10 B/s');
  assert.equal(format.inUnit(null, 'ms'), '–');
  assert.equal(format.inUnit(12345.6, 'short'), '12346');
});

test('plural', () => {
  assert.equal(format.plural(1, 'edge'), '1 edge');
  assert.equal(format.plural(0, 'edge'), '0 edges');
});
