/** The drawing: cytoscape with our elements; hover, selection, keyboard, zoom. Knows nothing of the server. */
import cytoscape from '../../vendor/cytoscape.mjs';
import dagre from '../../vendor/cytoscape-dagre.mjs';
import { boxLayout } from './box-layout.js';
import { layoutKey } from './elements.js';
import { LABEL_SIZE, graphStyle } from './graph-style.js';
import { LAYOUTS, along, bends, crowded, fitInto, neighbour, shifts, textScale } from './layout.js';
import { readTheme, watchTheme } from './theme.js';

cytoscape.use(dagre);

/** @typedef {import('./elements.js').Model} Model */
/** @typedef {import('./elements.js').Drawn} Drawn */
/** @typedef {import('./find.js').Predicate} Predicate */

/** Free of elements: below the time and the notices, above the buttons. */
const MARGIN = { left: 24, right: 36, top: 44, bottom: 64 };
/**
 * Up to this many edges are bent around nodes and their labels moved apart. Beyond, the picture is too dense to read it
 * line by line anyway, and boxes are laid out as a whole.
 */
const FEW_EDGES = 120;
/** Up to this many edges there is room for text that is larger than the rest. */
const FEW_TEXTS = 40;
/** Nobody sees a smaller difference in the size of text, and zooming by a wheel comes in many small steps. */
const SAME_SIZE = 0.04;
/** The whole picture is never blown up beyond this when it is fitted. */
const FIT_ZOOM = 1.45;

export class GraphView {
  /**
   * @param {HTMLElement} container
   * @param {object} on
   * @param {(id: string) => void} on.select id of a node or an edge, '' for the ground
   * @param {(id: string) => void} on.zoomInto double click or Z on a node
   * @param {(text: string) => void} on.say for people who listen instead of looking
   * @param {(id: string) => Drawn | undefined} on.lookup
   */
  constructor(container, on) {
    this.container = container;
    this.on = on;
    /** Where each set of nodes stood: going back to a picture restores it. @type {Map<string, Record<string, {x: number, y: number}>>} */
    this.places = new Map();
    this.key = '';
    /** Milliseconds that the last layout took. */
    this.layoutMillis = 0;
    this.layouts = 0;
    this.cursor = '';
    /** How much larger than the rest names and labels are drawn. */
    this.text = 1;
    /** Of the tallest label. */
    this.rows = 0;
    /** Pixels that the legend covers at the left, and notices at the top. */
    this.covered = { left: 0, top: 0 };
    this.cy = cytoscape({
      container, style: graphStyle(readTheme()), layout: { name: 'preset' }, minZoom: 0.1, maxZoom: 4,
      boxSelectionEnabled: false, autounselectify: true, pixelRatio: 'auto',
    });
    watchTheme(() => this.cy.style(graphStyle(readTheme(), this.text)));
    this.#listen();
    new ResizeObserver(() => this.#resized()).observe(container);
  }

  /** @param {Model} model */
  update(model) {
    const { cy } = this;
    const key = layoutKey(model);
    const changed = key !== this.key;
    // Labels of more rows may have no room at the present size of text.
    const rows = Math.max(0, ...model.edges.map(({ label }) => label.split('\n').length));
    const taller = rows !== this.rows;
    this.rows = rows;
    if (changed) this.#remember();  // before what goes takes its place along, and what comes stands nowhere yet
    cy.batch(() => {
      const wanted = new Set(model.byId.keys());
      cy.elements().filter((/** @type {any} */ element) => !wanted.has(element.id())).remove();
      for (const node of model.nodes) {
        const data = { id: node.id, parent: node.data.parent, label: node.label, shape: node.shape, health: node.health, badges: node.badges };
        const old = cy.getElementById(node.id);
        if (old.nonempty()) {
          if (old.parent().id() !== data.parent && (old.parent().nonempty() || data.parent)) old.move({ parent: data.parent ?? null });
          setData(old, data);
        } else cy.add({ group: 'nodes', data });
        cy.getElementById(node.id).toggleClass('gap', node.gap);
      }
      for (const edge of model.edges) {
        const data = { id: edge.id, source: edge.data.source, target: edge.data.target, label: edge.label, health: edge.health, badges: edge.badges };
        const old = cy.getElementById(edge.id);
        if (old.nonempty()) setData(old, data);
        else cy.add({ group: 'edges', data });
        cy.getElementById(edge.id).toggleClass('gap', edge.gap);
      }
    });
    if (changed) {
      this.key = key;
      const places = this.places.get(key);
      if (places) cy.nodes().forEach((/** @type {any} */ node) => { if (!node.isParent() && places[node.id()]) node.position(places[node.id()]); });
      else this.#arrange();
      this.#tidy();
      this.fit();
    } else if (taller && this.fitted) this.fit();
    if (this.cursor && !model.byId.has(this.cursor)) this.cursor = '';
    this.#tidy();
    cy.emit('redrawn');
  }

  #remember() {
    if (!this.key || this.cy.nodes().empty()) return;
    this.places.set(this.key, Object.fromEntries(this.cy.nodes().map((/** @type {any} */ node) => [node.id(), { ...node.position() }])));
    if (this.places.size > 12) this.places.delete(/** @type {string} */ (this.places.keys().next().value));
  }

  #arrange() {
    const begin = performance.now();
    const { cy } = this;
    const failures = [];
    const tries = LAYOUTS.map((options) => () => cy.layout(options).run());
    if (cy.edges().length > FEW_EDGES) tries.unshift(() => this.#arrangeBoxes());
    for (let done = cy.nodes().empty(); !done;) {
      const next = tries.shift();
      if (!next) throw failures[0];
      try {
        next();
        done = true;
      } catch (error) {
        failures.push(error);
      }
    }
    this.layoutMillis = performance.now() - begin;
    this.layouts += 1;
  }

  /**
   * What edges and their labels must keep clear of, at the present size of text; null in pictures that are too dense.
   * @returns {{bent: Map<string, number>, lines: any[], names: any[], shapes: any[]} | null}
   */
  #surroundings() {
    const { cy } = this;
    const edges = cy.edges().not('.gap');
    if (edges.empty() || edges.length > FEW_EDGES) return null;
    const visible = cy.nodes().not('.gap');
    const names = visible.map((/** @type {any} */ node) => node.boundingBox({ includeNodes: false, includeEdges: false, includeOverlays: false, includeUnderlays: false }));
    const shapes = visible.filter((/** @type {any} */ node) => !node.isParent()).map((/** @type {any} */ node) => {
      const { x1, y1, x2, y2 } = node.boundingBox({ includeLabels: false, includeOverlays: false, includeUnderlays: false });
      // The bounds have room for badges (bounds-expansion of the style); where there are none a line may pass.
      return { id: node.id(), rect: { x1: x1 + 16, y1: y1 + (node.data('badges')?.length ? 0 : 16), x2: x2 - 16, y2: y2 - 16 } };
    });
    const lines = edges.filter((/** @type {any} */ edge) => edge.source().id() !== edge.target().id()).map((/** @type {any} */ edge) => ({
      id: edge.id(), source: edge.source().id(), target: edge.target().id(), from: edge.source().position(), to: edge.target().position(), label: edge.data('label'),
    }));
    return { bent: bends(lines, shapes), lines, names, shapes };
  }

  /**
   * Where labels go if text had this size, and how many of them would cover something.
   * @param {NonNullable<ReturnType<GraphView['#surroundings']>>} surroundings
   * @param {number} text
   */
  #placeLabels({ bent, lines, names, shapes }, text) {
    const labels = lines.filter(({ label }) => label).map(({ id, from, to, label }) => {
      const rows = label.split('\n');
      return { id, width: 9 * text * Math.max(...rows.map((/** @type {string} */ row) => row.length)), height: 18 * text * rows.length, at: (/** @type {number} */ t) => along(from, to, bent.get(id) ?? 0, t) };
    });
    // Names hang below the middle of what they name.
    const factor = text / this.text;
    const taken = names.map(({ x1, x2, y1, y2 }) => {
      const [middle, half] = [(x1 + x2) / 2, (factor * (x2 - x1)) / 2];
      return { x1: middle - half, x2: middle + half, y1, y2: y1 + factor * (y2 - y1) };
    });
    taken.push(...shapes.map(({ rect }) => rect));
    const moves = shifts(labels, taken);
    return { moves, crowded: crowded(labels, taken, moves) };
  }

  /** Bends edges around nodes, then moves labels of edges off names and off each other. */
  #tidy() {
    const surroundings = this.#surroundings();
    if (!surroundings) return;
    const { moves } = this.#placeLabels(surroundings, this.text);
    this.cy.batch(() => this.cy.edges().not('.gap').forEach((/** @type {any} */ edge) => {
      const { x, y } = moves.get(edge.id()) ?? { x: 0, y: 0 };
      setData(edge, { shiftX: x, shiftY: y, bend: surroundings.bent.get(edge.id()) ?? 0 });
    }));
  }

  /** @param {{left: number, top: number}} covered pixels at the left and at the top that other things stand on */
  inset(covered) {
    if (covered.left === this.covered.left && covered.top === this.covered.top) return;
    this.covered = covered;
    if (this.fitted) this.fit();
  }

  #arrangeBoxes() {
    const { cy } = this;
    const nodes = cy.nodes().map((/** @type {any} */ node) => ({ id: node.id(), shape: node.data('shape'), parent: node.parent().id() }));
    const edges = cy.edges().map((/** @type {any} */ edge) => ({ source: edge.source().id(), target: edge.target().id() }));
    const places = boxLayout(cytoscape, nodes, edges);
    cy.nodes().forEach((/** @type {any} */ node) => {
      const place = places.get(node.id());
      if (place) node.position(place);
    });
  }

  /** Lays out anew, whatever people have dragged where. */
  relayout() {
    this.places.delete(this.key);
    this.#arrange();
    this.#tidy();
    this.fit();
    this.cy.emit('redrawn');
  }

  /** Shows the whole picture. */
  fit() {
    const { cy } = this;
    cy.resize();
    if (cy.nodes().empty() || !cy.width() || !cy.height()) return;
    const margin = { ...MARGIN, left: MARGIN.left + this.covered.left, top: Math.max(MARGIN.top, this.covered.top) };
    // Larger text needs more room, so that the picture gets smaller, and the text larger: this settles at once. It begins
    // with the usual size each time, so that the same picture is fitted the same way.
    this.#setText(1);
    for (let round = 0, text = 0; round < 4 && text !== this.text; round += 1) {
      text = this.text;
      cy.viewport(fitInto(cy.elements().not('.gap').boundingBox(), { width: cy.width(), height: cy.height() }, margin, FIT_ZOOM));
      this.#scaleText();
    }
    this.fitted = true;
  }

  /** Text is enlarged where the picture is small, but not so far that more labels than otherwise cover something. */
  #scaleText() {
    const { cy } = this;
    let text = cy.edges().length > FEW_TEXTS ? 1 : textScale(cy.zoom(), LABEL_SIZE);
    const surroundings = text > 1 && Math.abs(text - this.text) >= SAME_SIZE && this.#surroundings();
    if (surroundings) {
      const least = this.#placeLabels(surroundings, 1).crowded;
      while (text > 1 && this.#placeLabels(surroundings, text).crowded > least) text = Math.max(1, text - 0.1);
    }
    this.#setText(text);
  }

  /** @param {number} text */
  #setText(text) {
    if (text === this.text || (text !== 1 && Math.abs(text - this.text) < SAME_SIZE)) return;
    this.text = text;
    this.cy.style(graphStyle(readTheme(), text));
    this.#tidy();
  }

  #resized() {
    this.cy.resize();
    if (this.fitted) this.fit();
  }

  /** @param {number} factor */
  zoomBy(factor) {
    const { cy } = this;
    this.fitted = false;
    cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  }

  /** @param {string} id '' for none */
  choose(id) {
    this.cy.elements('.chosen').removeClass('chosen');
    if (id) this.cy.getElementById(id).addClass('chosen');
  }

  /**
   * @param {Model} model
   * @param {Predicate | null} predicate
   * @returns {number} how many were found
   */
  markFound(model, predicate) {
    let count = 0;
    this.cy.batch(() => {
      this.cy.elements('.found').removeClass('found');
      if (!predicate) return;
      for (const drawn of model.byId.values()) {
        if (drawn.gap || !predicate(drawn)) continue;
        this.cy.getElementById(drawn.id).addClass('found');
        count += 1;
      }
    });
    return count;
  }

  /** @param {any} element lights the way up- and downstream of it, dims the rest */
  light(element) {
    const { cy } = this;
    let path;
    if (element.isEdge()) {
      path = element.union(element.source()).union(element.source().predecessors()).union(element.target()).union(element.target().successors());
    } else {
      const centre = element.isParent() ? element.descendants() : element;
      path = element.union(centre).union(centre.predecessors()).union(centre.successors());
    }
    cy.batch(() => {
      cy.elements().removeClass('lit dim hovered');
      cy.elements().difference(path.union(path.parents())).addClass('dim');
      path.addClass('lit');
      // In the outer rectangle, every rate inside is what one wants to read.
      element.union(element.isNode() ? element.descendants().edgesWith(element.descendants()) : []).addClass('hovered');
    });
    cy.emit('lit');
  }

  unlight() {
    this.cy.batch(() => this.cy.elements().removeClass('lit dim hovered'));
    this.cy.emit('lit');
  }

  #listen() {
    const { cy, on } = this;
    cy.on('mouseover', 'node, edge', (/** @type {any} */ event) => {
      this.container.classList.add('over');
      this.light(event.target);
    });
    cy.on('mouseout', 'node, edge', () => {
      this.container.classList.remove('over');
      this.unlight();
    });
    this.container.addEventListener('mouseleave', () => this.unlight());
    cy.on('onetap', (/** @type {any} */ event) => on.select(event.target === cy ? '' : event.target.id()));
    cy.on('dbltap', 'node', (/** @type {any} */ event) => on.zoomInto(event.target.id()));
    cy.on('dbltap', 'edge', (/** @type {any} */ event) => {
      // An edge that crosses a rectangle must not keep people from zooming into it.
      const box = this.#boxAt(event.position);
      if (box) on.zoomInto(box);
    });
    cy.on('dragpan scrollzoom pinchzoom', () => { this.fitted = false; });
    cy.on('zoom', () => this.#scaleText());
    cy.on('dragfree', 'node', () => {
      this.fitted = false;
      this.#tidy();
    });
    this.container.addEventListener('keydown', (event) => this.#key(event));
    this.container.addEventListener('blur', () => this.#moveCursor(''));
  }

  /** @param {{x: number, y: number}} place @returns {string} id of the innermost box there, or '' */
  #boxAt({ x, y }) {
    const around = this.cy.nodes(':parent').filter((/** @type {any} */ box) => {
      const { x1, x2, y1, y2 } = box.boundingBox({ includeLabels: false, includeOverlays: false });
      return x1 <= x && x <= x2 && y1 <= y && y <= y2;
    });
    return around.filter((/** @type {any} */ box) => box.descendants().intersection(around).empty()).first().id() ?? '';
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key.startsWith('Arrow')) {
      const nodes = this.cy.nodes().filter((/** @type {any} */ node) => !node.hasClass('gap') && !node.isParent());
      const places = nodes.map((/** @type {any} */ node) => ({ id: node.id(), ...node.position() }));
      if (!places.length) return;
      const at = this.cursor && this.cy.getElementById(this.cursor);
      const here = at && at.isEdge() ? at.target() : at;
      const next = here && here.nonempty() ? neighbour(places, here.position(), /** @type {'ArrowUp'} */ (key)) : places.reduce((/** @type {any} */ a, /** @type {any} */ b) => (b.x < a.x ? b : a)).id;
      if (next) this.#moveCursor(next);
    } else if (key === 'e' || key === 'E') this.#nextEdge(key === 'E' ? -1 : 1);
    else if (key === 'Enter' || key === ' ') {
      if (this.cursor) this.on.select(this.cursor);
    } else if (key === 'z' || key === 'Z') {
      if (this.cursor && this.cy.getElementById(this.cursor).isNode()) this.on.zoomInto(this.cursor);
    } else if (key === '+' || key === '=') this.zoomBy(1.25);
    else if (key === '-') this.zoomBy(0.8);
    else if (key === '0') this.fit();
    else return;
    event.preventDefault();
  }

  /** From edge to edge, from the node at the cursor on. @param {number} step 1 or -1 */
  #nextEdge(step) {
    const edges = this.cy.edges().not('.gap').sort((/** @type {any} */ a, /** @type {any} */ b) => a.source().position('x') - b.source().position('x') || a.midpoint().y - b.midpoint().y);
    if (edges.empty()) return;
    const ids = edges.map((/** @type {any} */ edge) => edge.id());
    const here = this.cursor ? this.cy.getElementById(this.cursor) : null;
    const at = ids.indexOf(this.cursor);
    const first = here?.isNode() ? ids.indexOf(edges.filter((/** @type {any} */ edge) => edge.source().id() === this.cursor || edge.target().id() === this.cursor).first().id()) : 0;
    this.#moveCursor(at < 0 ? ids[Math.max(0, first)] : ids[(at + step + ids.length) % ids.length]);
  }

  /** @param {string} id '' takes the cursor away */
  #moveCursor(id) {
    this.cy.elements('.cursor').removeClass('cursor');
    this.cursor = id;
    if (!id) return this.unlight();
    const node = this.cy.getElementById(id);
    node.addClass('cursor');
    this.light(node);
    const { x1, y1, x2, y2 } = node.renderedBoundingBox();
    if (x1 < 0 || y1 < 0 || x2 > this.cy.width() || y2 > this.cy.height()) this.cy.center(node);
    const drawn = this.on.lookup(id);
    if (drawn) this.on.say([drawn.title, drawn.kind === 'edge' ? drawn.label.replace(/\n/g, ', ') : '', drawn.health === 'none' ? '' : drawn.health].filter(Boolean).join(', '));
    return undefined;
  }
}

/**
 * Only what differs, so that an unchanged picture is not drawn again.
 * @param {any} element
 * @param {Record<string, any>} data
 */
function setData(element, data) {
  for (const [key, value] of Object.entries(data)) {
    if (key === 'id' || key === 'parent' || key === 'source' || key === 'target') continue;
    const old = element.data(key);
    if (Array.isArray(value) ? JSON.stringify(old) !== JSON.stringify(value) : old !== value) element.data(key, value);
  }
}
