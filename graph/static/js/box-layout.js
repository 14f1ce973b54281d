/**
 * Layout of big meshes in two steps, as Kiali does it: inside each box first, then the boxes as if they were nodes.
 * Dagre's own handling of boxes takes four times as long (1.8 s against 0.4 s of CPU time for 50 boxes and 350 edges)
 * and makes the picture more than twice as wide.
 */

/** Room for a node with its name below and its badges above, pixels. */
const ROW = 92;
/** From the column of services to that of workloads. */
const COLUMN = 130;
/** Around the nodes of a box; more below, for its name. */
const PADDING = 40;

/** @typedef {{x: number, y: number}} Point */

/**
 * Services at the left, workloads at the right of them.
 * @param {{id: string, shape: string}[]} nodes of one box, or one node
 * @returns {{width: number, height: number, places: Map<string, Point>}} places from the middle
 */
export function inside(nodes) {
  const columns = [nodes.filter(({ shape }) => shape === 'service' || shape === 'operation'), nodes.filter(({ shape }) => shape !== 'service' && shape !== 'operation')].filter((column) => column.length);
  const rows = Math.max(1, ...columns.map((column) => column.length));
  const places = new Map();
  columns.forEach((column, i) => column.forEach(({ id }, k) => {
    places.set(id, { x: (i - (columns.length - 1) / 2) * COLUMN, y: (k - (column.length - 1) / 2) * ROW });
  }));
  return { width: (columns.length - 1) * COLUMN + 46 + 2 * PADDING, height: rows * ROW + PADDING, places };
}

/**
 * @param {any} cytoscape its factory, with dagre
 * @param {{id: string, shape: string, parent?: string}[]} nodes boxes included
 * @param {{source: string, target: string}[]} edges
 * @returns {Map<string, Point>} places of all nodes that are not boxes
 */
export function boxLayout(cytoscape, nodes, edges) {
  const groupOf = new Map(nodes.map(({ id, parent }) => [id, parent ?? id]));
  /** @type {Map<string, {id: string, shape: string}[]>} */
  const groups = new Map();
  for (const node of nodes) {
    if (node.shape === 'box') continue;
    const group = /** @type {string} */ (groupOf.get(node.id));
    groups.set(group, [...(groups.get(group) ?? []), node]);
  }
  const sizes = new Map([...groups].map(([id, members]) => [id, inside(members)]));
  const pairs = new Map();
  for (const { source, target } of edges) {
    const [from, to] = [groupOf.get(source), groupOf.get(target)];
    if (from !== to) pairs.set(`${from} ${to}`, { source: from, target: to });
  }
  const plan = cytoscape({
    headless: true, styleEnabled: true, style: [{ selector: 'node', style: { width: 'data(width)', height: 'data(height)' } }],
    elements: {
      nodes: [...sizes].map(([id, { width, height }]) => ({ data: { id, width, height } })),
      edges: [...pairs.values()].map((data) => ({ data })),
    },
  });
  plan.layout({ name: 'dagre', rankDir: 'LR', nodeSep: 18, edgeSep: 4, rankSep: 120, animate: false, fit: false }).run();
  const result = new Map();
  for (const [id, { places }] of sizes) {
    const middle = plan.getElementById(id).position();
    for (const [member, { x, y }] of places) result.set(member, { x: middle.x + x, y: middle.y + y });
  }
  plan.destroy();
  return result;
}
