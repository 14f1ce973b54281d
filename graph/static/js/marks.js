/** What Istio's objects and the cluster say of a node, in words. Pure. */

const WORDS = /** @type {[string, string][]} */ ([
  ['hasTrafficShifting', 'splits weights'], ['hasTCPTrafficShifting', 'splits weights of TCP'], ['hasFaultInjection', 'injects faults'], ['hasRequestRouting', 'routes requests'], ['hasRequestTimeout', 'sets a timeout'],
  ['hasMirroring', 'mirrors'], ['hasCB', 'circuit breaker'], ['isOutOfMesh', 'out of the mesh'], ['isAmbient', 'ambient'], ['isWaypoint', 'waypoint'], ['isGateway', 'gateway'],
  ['isIdle', 'idle'], ['isDead', 'no pods'], ['isOutside', 'another namespace'], ['isInaccessible', 'not accessible'], ['isRoot', 'traffic source'],
]);

/** @param {Record<string, any>} data node @returns {string[]} */
export const marks = (data) => WORDS.filter(([key]) => data[key]).map(([, word]) => word);
