import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMixes, edgeHealth, errorPercent, httpMix, mixHealth, nodeMix, worst } from '../../../graph/static/js/health.js';

const rates = (total, more = {}) => ({ protocol: 'http', rates: { http: String(total), ...more } });

test('5xx: any failure is degraded, from 10 % failing', () => {
  assert.equal(edgeHealth(rates(100)), 'healthy');
  assert.equal(edgeHealth(rates(100, { http5xx: '0.1' })), 'degraded');
  assert.equal(edgeHealth(rates(100, { http5xx: '9.99' })), 'degraded');
  assert.equal(edgeHealth(rates(100, { http5xx: '10' })), 'failing');
});

test('no response counts as 5xx does', () => {
  assert.equal(edgeHealth(rates(100, { httpNoResponse: '5', http5xx: '5' })), 'failing');
});

test('4xx: from 10 % degraded, from 20 % failing', () => {
  assert.equal(edgeHealth(rates(100, { http4xx: '9.9' })), 'healthy');
  assert.equal(edgeHealth(rates(100, { http4xx: '10' })), 'degraded');
  assert.equal(edgeHealth(rates(100, { http4xx: '20' })), 'failing');
});

test('TCP and idle edges', () => {
  assert.equal(edgeHealth({ protocol: 'tcp', rates: { tcp: '12.00' } }), 'tcp');
  assert.equal(edgeHealth({ protocol: 'tcp', rates: {} }), 'idle');
  assert.equal(edgeHealth({ protocol: 'http' }), 'idle');
  assert.equal(edgeHealth(undefined), 'idle');
});

test('gRPC errors', () => {
  assert.equal(edgeHealth({ protocol: 'grpc', rates: { grpc: '10', grpcErr: '5' } }), 'failing');
});

test('mixes add up', () => {
  const mix = httpMix({ httpIn: '10', httpIn4xx: '1', httpIn5xx: '2', httpInNoResponse: '1' }, 'httpIn');
  assert.equal(mix.ok, 6);
  assert.equal(errorPercent(mix), 40);
  assert.equal(addMixes([mix, mix]).total, 20);
  assert.equal(mixHealth(addMixes([])), 'none');
  assert.equal(nodeMix([{ protocol: 'http', rates: { httpIn: '3' } }, { protocol: 'grpc', rates: { grpcIn: '2', grpcInErr: '1' } }], 'In').r5xx, 1);
});

test('the gravest wins', () => {
  assert.equal(worst(['healthy', 'failing', 'idle']), 'failing');
  assert.equal(worst([]), 'none');
});
