/** A small graph as the server sends it: the canary step of the exercise. */

const http = (total, e5 = 0, share = '100.0') => ({
  protocol: 'http',
  rates: { http: total.toFixed(2), ...(e5 ? { http5xx: e5.toFixed(2), httpPercentErr: ((100 * e5) / total).toFixed(1) } : {}), httpPercentReq: share },
});
const into = (total, e5 = 0) => [{ protocol: 'http', rates: { httpIn: total.toFixed(2), ...(e5 ? { httpIn5xx: e5.toFixed(2) } : {}) } }];
const app = (id, name, version, more = {}) => ({ data: { id, nodeType: 'app', namespace: 'c756ns', app: name, workload: `${name}-${version}`, version, ...more } });

/** As the server judges them; of what is not named here, it knows nothing. */
const HEALTH = {
  gw: 'Degraded', s2: 'Degraded', v1: 'Healthy', v2: 'Failure', db: 'Healthy',
  'gw-s2': 'Degraded', 's2-v1': 'Healthy', 's2-v2': 'Failure', 'unk-v1': 'Healthy', 'v1-db': 'Healthy', 'db-ddb': 'Healthy',
};

export function exercise() {
  const graph = drawn();
  for (const { data } of graph.elements.nodes) if (HEALTH[data.id]) data.healthData = { status: { status: HEALTH[data.id] } };
  for (const { data } of graph.elements.edges) data.healthStatus = HEALTH[data.id];
  return graph;
}

const drawn = () => ({
  timestamp: 1732480000,
  duration: 60,
  elements: {
    nodes: [
      { data: { id: 'box2', nodeType: 'box', isBox: 'app', namespace: 'c756ns', app: 'cmpt756s2' } },
      app('gw', 'istio-ingressgateway', 'latest', { namespace: 'istio-system', isRoot: true, isOutside: true, isGateway: {}, traffic: [{ protocol: 'http', rates: { httpOut: '5.00' } }] }),
      { data: { id: 'unk', nodeType: 'unknown', namespace: 'unknown', app: 'unknown', workload: 'unknown', version: 'unknown', isRoot: true } },
      { data: { id: 's2', nodeType: 'service', namespace: 'c756ns', service: 'cmpt756s2', app: 'cmpt756s2', parent: 'box2', hasVS: { hostnames: ['*'] }, hasTrafficShifting: true, traffic: into(5, 0.25) } },
      app('v1', 'cmpt756s2', 'v1', { parent: 'box2', traffic: into(4.53) }),
      app('v2', 'cmpt756s2', 'v2', { parent: 'box2', traffic: into(0.53, 0.25) }),
      app('db', 'cmpt756db', 'v1', { traffic: into(5) }),
      { data: { id: 'ddb', nodeType: 'service', namespace: 'c756ns', service: 'dynamodb', isServiceEntry: { hosts: ['dynamodb.us-east-1.amazonaws.com'] } } },
    ],
    edges: [
      { data: { id: 'gw-s2', source: 'gw', target: 's2', traffic: http(5, 0.25) } },
      { data: { id: 's2-v1', source: 's2', target: 'v1', traffic: http(4.5, 0, '90.0'), responseTime: '14', throughput: '1523' } },
      { data: { id: 's2-v2', source: 's2', target: 'v2', traffic: http(0.5, 0.25, '10.0'), responseTime: '1100' } },
      { data: { id: 'unk-v1', source: 'unk', target: 'v1', traffic: http(0.03) } },
      { data: { id: 'v1-db', source: 'v1', target: 'db', traffic: http(4.5) } },
      { data: { id: 'db-ddb', source: 'db', target: 'ddb', traffic: { protocol: 'tcp', rates: { tcp: '5321.20' } } } },
      { data: { id: 'v2-db', source: 'v2', target: 'db', traffic: { protocol: 'http' } } },
    ],
  },
});
