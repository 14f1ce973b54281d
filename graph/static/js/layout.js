/** Where nodes stand: left to right by dagre, boxes kept together. */

/** From this many edges on rows stand closer and columns wider, so that lines stay apart. */
const MANY_EDGES = 120;

/**
 * Layouts to be tried in this order. Dagre's rankers give up on rare combinations of boxes and cycles ("Not possible to find
 * intersection"; longest-path does so on 50 boxes, so it is not used), the last one never does.
 * @param {number} edges how many
 * @returns {any[]} cytoscape's layout options
 */
export function layouts(edges) {
  const many = edges > MANY_EDGES;
  const dagre = { name: 'dagre', rankDir: 'LR', nodeSep: many ? 14 : 30, edgeSep: 10, rankSep: many ? 110 : 66, fit: false, animate: false, nodeDimensionsIncludeLabels: true };
  return [{ ...dagre, ranker: 'network-simplex' }, { ...dagre, ranker: 'tight-tree' }, { name: 'breadthfirst', directed: true, fit: false, animate: false }];
}

/**
 * The neighbour that an arrow key means: the nearest in that direction, straight ones before slanting ones.
 * @param {{id: string, x: number, y: number}[]} places
 * @param {{x: number, y: number}} from
 * @param {'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown'} key
 * @returns {string | null} id, null when nothing lies there
 */
export function neighbour(places, from, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let best = null;
  let least = Infinity;
  for (const { id, x, y } of places) {
    const along = (x - from.x) * dx + (y - from.y) * dy;
    const across = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
    if (along < 1) continue;
    const cost = along + 2.5 * across;
    if (cost < least) [best, least] = [id, cost];
  }
  return best;
}

/** @typedef {{x1: number, y1: number, x2: number, y2: number}} Rect */

/** @param {Rect} a @param {Rect} b */
const overlap = (a, b) => a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;

/**
 * Moves labels of edges up or down where they would cover a name or another label.
 * @param {{id: string, rect: Rect}[]} labels where each stands without a shift
 * @param {Rect[]} taken names of nodes and boxes, and the nodes themselves
 * @returns {Map<string, number>} how far each label moves, pixels downwards
 */
export function shifts(labels, taken) {
  const used = [...taken];
  const result = new Map();
  for (const { id, rect } of labels) {
    const height = rect.y2 - rect.y1;
    const at = (/** @type {number} */ dy) => ({ ...rect, y1: rect.y1 + dy, y2: rect.y2 + dy });
    const dy = [0, -0.7, 0.7, -1.1, 1.1].map((factor) => factor * height).find((move) => !used.some((other) => overlap(at(move), other))) ?? 0;
    result.set(id, dy);
    used.push(at(dy));
  }
  return result;
}

/**
 * @param {Rect} box what is to be seen, in the picture's own pixels
 * @param {{width: number, height: number}} stage
 * @param {{left: number, right: number, top: number, bottom: number}} margin that stays free
 * @param {number} most zoom that is never exceeded
 * @returns {{zoom: number, pan: {x: number, y: number}}}
 */
export function fitInto(box, stage, margin, most) {
  const width = Math.max(50, stage.width - margin.left - margin.right);
  const height = Math.max(50, stage.height - margin.top - margin.bottom);
  const zoom = Math.min(most, width / Math.max(1, box.x2 - box.x1), height / Math.max(1, box.y2 - box.y1));
  return {
    zoom,
    pan: { x: margin.left + (width - zoom * (box.x1 + box.x2)) / 2, y: margin.top + (height - zoom * (box.y1 + box.y2)) / 2 },
  };
}
