import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stream, interval, pathOf, specOf, speed, thinning } from '../../../graph/static/js/particles.js';

test('a dot per request, every clamp(1000 / rate, 40, 5000) ms', () => {
  assert.equal(interval(0.03), 5000);
  assert.equal(interval(5), 200);
  assert.equal(interval(1000), 40);
  assert.equal(interval(0), Infinity);
});

test('the faster the response, the faster the dot', () => {
  assert.ok(speed(5) > speed(50));
  assert.ok(speed(50) > speed(5000));
  assert.equal(speed(1e9), 30);
});

test('five requests a second for ten seconds are fifty dots, half of them failures', () => {
  const stream = new Stream({ every: 200, speed: 100, errors: 0.5, tcp: false }, 0.5);
  const seen = new Set();
  for (let t = 0; t < 10000; t += 16) {
    stream.step(16, 1e9);
    for (const dot of stream.dots) seen.add(dot);
  }
  assert.equal(seen.size, 50);
  assert.equal([...seen].filter(({ error }) => error).length, 25);
});

test('dots leave at the end of the edge, and none are made without traffic', () => {
  const stream = new Stream({ every: 100, speed: 1000, errors: 0, tcp: false }, 0);
  for (let i = 0; i < 100; i += 1) stream.step(50, 100);
  assert.ok(stream.dots.length <= 2);
  stream.retune({ every: Infinity, speed: 1000, errors: 0, tcp: false });
  for (let i = 0; i < 10; i += 1) stream.step(50, 100);
  assert.equal(stream.dots.length, 0);
  stream.retune({ every: 100, speed: 10, errors: 0, tcp: false });
  stream.step(10, 100);
  assert.equal(stream.dots.length, 1);
});

test('the specification of edges', () => {
  assert.deepEqual(specOf({ traffic: { protocol: 'tcp', rates: { tcp: '5120' } } }), { tcp: true, every: 200, speed: speed(undefined), errors: 0 });
  const spec = specOf({ traffic: { protocol: 'http', rates: { http: '4', http5xx: '1' } }, responseTime: '10' });
  assert.deepEqual(spec, { tcp: false, every: 250, speed: speed(10), errors: 0.25 });
});

test('a straight edge', () => {
  const path = pathOf({ x: 0, y: 0 }, [], { x: 30, y: 40 });
  assert.equal(path.length, 50);
  assert.deepEqual([...path.points], [0, 0, 30, 40]);
});

test('a bent edge has its points at equal distances', () => {
  const { length, points } = pathOf({ x: 0, y: 0 }, [{ x: 50, y: 80 }], { x: 100, y: 0 });
  const steps = [];
  for (let i = 2; i < points.length; i += 2) steps.push(Math.hypot(points[i] - points[i - 2], points[i + 1] - points[i - 1]));
  for (const step of steps) assert.ok(Math.abs(step - length / steps.length) < 0.25, String(step));
  assert.deepEqual([points[0], points[1], points.at(-2), points.at(-1)].map(Math.round), [0, 0, 100, 0]);
});

test('when there would be too many dots, each stands for several requests', () => {
  const busy = { spec: { every: 100, speed: 100, errors: 0, tcp: false }, length: 1000 };
  assert.equal(thinning([busy]), 1);
  assert.equal(thinning(Array(100).fill(busy)), 4);
  assert.equal(thinning([{ spec: { ...busy.spec, every: Infinity }, length: 1000 }]), 1);
  const stream = new Stream({ every: 100, speed: 1, errors: 0, tcp: false }, 0);
  stream.thin = 4;
  for (let i = 0; i < 40; i += 1) stream.step(100, 1e9);
  assert.ok(Math.abs(stream.dots.length - 10) <= 1, String(stream.dots.length));
});
