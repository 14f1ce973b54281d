/** Where nodes stand: left to right by dagre, boxes kept together. */

/**
 * Layouts to be tried in this order. Dagre's rankers give up on rare combinations of boxes and cycles ("Not possible to
 * find intersection"); the last one never does.
 */
export const LAYOUTS = [
  ...['network-simplex', 'tight-tree'].map((ranker) => ({ name: 'dagre', rankDir: 'LR', nodeSep: 48, edgeSep: 10, rankSep: 66, ranker, fit: false, animate: false, nodeDimensionsIncludeLabels: true })),
  { name: 'breadthfirst', directed: true, fit: false, animate: false },
];

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

/** @typedef {{x: number, y: number}} Point */

/**
 * The control point of an edge that is bent: beside the middle between its nodes, as cytoscape's unbundled-bezier has it.
 * @param {Point} from @param {Point} to @param {number} bend pixels, to the right of the way when positive
 * @returns {Point}
 */
export function control(from, to, bend) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  return { x: (from.x + to.x) / 2 - (dy / length) * bend, y: (from.y + to.y) / 2 + (dx / length) * bend };
}

/** @param {Point} from @param {Point} to @param {number} bend @param {number} t 0..1 @returns {Point} on the edge */
export function along(from, to, bend, t) {
  const middle = control(from, to, bend);
  const u = 1 - t;
  return { x: u * u * from.x + 2 * u * t * middle.x + t * t * to.x, y: u * u * from.y + 2 * u * t * middle.y + t * t * to.y };
}

/**
 * Bends edges around nodes that they would cross, so that no edge seems to begin or end where it does not.
 * @param {{id: string, source: string, target: string, from: Point, to: Point}[]} edges
 * @param {{id: string, rect: Rect}[]} nodes with the room that they need
 * @returns {Map<string, number>} pixels; 0 = straight
 */
export function bends(edges, nodes) {
  const steps = Array.from({ length: 23 }, (_, i) => (i + 1) / 24);
  const result = new Map();
  for (const { id, source, target, from, to } of edges) {
    const others = nodes.filter((node) => node.id !== source && node.id !== target);
    const crossings = (/** @type {number} */ bend) => steps.filter((t) => {
      const { x, y } = along(from, to, bend, t);
      return others.some(({ rect }) => x > rect.x1 && x < rect.x2 && y > rect.y1 && y < rect.y2);
    }).length;
    let [best, least] = [0, Infinity];
    for (const bend of [0, -45, 45, -90, 90, -140, 140, -200, 200]) {
      const count = crossings(bend);
      if (count < least) [best, least] = [bend, count];
      if (least === 0) break;
    }
    result.set(id, best);
  }
  return result;
}

/** Where along its edge a label may stand, the best first. */
const SPOTS = [0.5, 0.42, 0.58, 0.35, 0.65, 0.28, 0.72];

/** @param {Point} p @param {Rect} r */
const within = (p, r) => p.x > r.x1 && p.x < r.x2 && p.y > r.y1 && p.y < r.y2;

/**
 * Labels of edges slide along them where they would cover a name, another label, or a line that they could be taken to
 * belong to; where no spot along the edge is free of names and labels, they move up or down.
 * @param {{id: string, width: number, height: number, at: (t: number) => Point}[]} labels `at`: the edge, t from 0 to 1
 * @param {Rect[]} taken names of nodes and boxes, and the nodes themselves
 * @returns {Map<string, Point>} how far each label moves from the middle of its edge
 */
export function shifts(labels, taken) {
  const used = [...taken];
  const lines = labels.map(({ id, at }) => ({ id, points: Array.from({ length: 49 }, (_, i) => at(i / 48)) }));
  const result = new Map();
  // The tallest first: they have the fewest places to go.
  for (const { id, width, height, at } of [...labels].sort((a, b) => b.height - a.height)) {
    const others = lines.filter((line) => line.id !== id);
    const rect = (/** @type {Point} */ { x, y }, dy = 0) => ({ x1: x - width / 2, x2: x + width / 2, y1: y + dy - height / 2, y2: y + dy + height / 2 });
    const free = (/** @type {Rect} */ place) => !used.some((other) => overlap(place, other));
    const crossed = (/** @type {Rect} */ place) => others.filter((line) => line.points.some((point) => within(point, place))).length;
    const middle = at(0.5);
    let best = null;
    let least = Infinity;
    for (const t of SPOTS) {
      const place = rect(at(t));
      if (!free(place)) continue;
      const cost = crossed(place);
      if (cost < least) [best, least] = [at(t), cost];
      if (cost === 0) break;
    }
    for (let move = 6; !best && move <= Math.max(36, 0.75 * height); move += 6) {
      const dy = [-move, move].find((candidate) => free(rect(middle, candidate)));
      if (dy !== undefined) best = { x: middle.x, y: middle.y + dy };
    }
    best ??= middle;
    result.set(id, { x: best.x - middle.x, y: best.y - middle.y });
    used.push(rect(best));
  }
  return result;
}

/**
 * How many labels cover a name, a node or another label, after all that could be done.
 * @param {{id: string, width: number, height: number, at: (t: number) => Point}[]} labels
 * @param {Rect[]} taken as for `shifts`
 * @param {Map<string, Point>} moves what `shifts` found
 */
export function crowded(labels, taken, moves) {
  const places = labels.map(({ id, width, height, at }) => {
    const [{ x, y }, move] = [at(0.5), moves.get(id) ?? { x: 0, y: 0 }];
    return { x1: x + move.x - width / 2, x2: x + move.x + width / 2, y1: y + move.y - height / 2, y2: y + move.y + height / 2 };
  });
  return places.filter((place, i) => [...taken, ...places.slice(0, i)].some((other) => overlap(place, other))).length;
}

/** Smaller than this nothing is read with ease: pixels of the screen. */
const READABLE = 12;
/** Beyond this, text would cover what it names. */
const LARGEST = 2;

/**
 * How much larger than the rest text is drawn, so that it can be read in a small picture too.
 * @param {number} zoom
 * @param {number} size of the smallest text in the unzoomed picture, pixels
 * @returns {number} 1 where the picture is large enough
 */
export function textScale(zoom, size) {
  return Math.min(LARGEST, Math.max(1, READABLE / (size * zoom)));
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
