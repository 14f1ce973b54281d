import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMixes, edgeHealth, edgeMix, errorPercent, httpMix, nodeHealth, nodeMix, worst } from '../../../graph/static/js/health.js';

const edge = (healthStatus, protocol = 'http') => ({ healthStatus, traffic: { protocol, rates: { [protocol]: '12.00' } } });

test('edges are drawn as the server judges them', () => {
  assert.deepEqual(['Healthy', 'Degraded', 'Failure', undefined].map((word) => edgeHealth(edge(word))), ['healthy', 'degraded', 'failing', 'healthy']);
  assert.equal(edgeHealth(edge('Failure', 'grpc')), 'failing');
});

test('TCP and idle edges', () => {
  assert.equal(edgeHealth(edge('Healthy', 'tcp')), 'tcp');
  assert.equal(edgeHealth({ traffic: { protocol: 'tcp' } }), 'idle');
  assert.equal(edgeHealth({ traffic: { protocol: 'http' } }), 'idle');
  assert.equal(edgeHealth({}), 'idle');
});

test('nodes are drawn as the server judges them', () => {
  assert.equal(nodeHealth({ healthData: { status: { status: 'Failure' } } }), 'failing');
  assert.equal(nodeHealth({ healthData: { status: { status: 'NA' } } }), 'none');
  assert.equal(nodeHealth({ healthData: null }), 'none');
  assert.equal(nodeHealth({ isIdle: true, healthData: { status: { status: 'NA' } } }), 'idle');
});

test('calls of gRPC without an answer have their own part', () => {
  const mix = edgeMix({ protocol: 'grpc', rates: { grpc: '10', grpcErr: '2', grpcNoResponse: '1' } });
  assert.deepEqual([mix.ok, mix.r5xx, mix.none], [7, 2, 1]);
});

test('mixes add up', () => {
  const mix = httpMix({ httpIn: '10', httpIn4xx: '1', httpIn5xx: '2', httpInNoResponse: '1' }, 'httpIn');
  assert.equal(mix.ok, 6);
  assert.equal(errorPercent(mix), 40);
  assert.equal(addMixes([mix, mix]).total, 20);
  assert.equal(nodeMix([{ protocol: 'http', rates: { httpIn: '3' } }, { protocol: 'grpc', rates: { grpcIn: '2', grpcInErr: '1' } }], 'In').r5xx, 1);
});

test('the gravest wins', () => {
  assert.equal(worst(['healthy', 'failing', 'idle']), 'failing');
  assert.equal(worst([]), 'none');
});
