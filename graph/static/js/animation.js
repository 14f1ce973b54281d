/** Draws the dots of particles.js on a canvas above the graph, frame by frame, while the page is seen. */
import { Stream, pathOf, specOf, thinning } from './particles.js';
import { readTheme, watchTheme } from './theme.js';

/** @typedef {import('./elements.js').Model} Model */

/** A step never counts more than this, so that a stalled page does not shoot its dots. */
const LONGEST_STEP = 100;
const RADIUS = 4.2;

export class Animation {
  /**
   * @param {any} cy cytoscape
   * @param {HTMLCanvasElement} canvas lies over the graph, lets the mouse through
   * @param {(requests: number) => void} thinned told how many requests a dot stands for, when that changes
   */
  constructor(cy, canvas, thinned) {
    this.thinned = thinned;
    this.thin = 1;
    this.measured = false;
    this.cy = cy;
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    /** @type {Map<string, Stream>} */
    this.streams = new Map();
    /** @type {Map<string, {length: number, points: Float32Array, health: string, dim: boolean, label: {x1: number, y1: number, x2: number, y2: number} | null} | null>} */
    this.paths = new Map();
    this.running = false;
    this.frames = 0;
    this.counted = 0;
    /** @type {Map<string, HTMLCanvasElement>} */
    this.sprites = new Map();
    this.theme = readTheme();
    watchTheme(() => { this.theme = readTheme(); this.sprites.clear(); });
    /** The edge under the pointer: its dots stand still, so that they can be looked at. */
    this.still = '';
    cy.on('mouseover', 'edge', (/** @type {any} */ event) => { this.still = event.target.id(); });
    cy.on('mouseout', 'edge', () => { this.still = ''; });
    cy.container().addEventListener('mouseleave', () => { this.still = ''; });
    cy.on('position redrawn lit layoutstop', () => {
      this.paths.clear();
      this.measured = false;
    });
    document.addEventListener('visibilitychange', () => this.#kick());
  }

  /** @param {Model} model */
  update(model) {
    const seen = new Set();
    for (const edge of model.edges) {
      if (edge.gap) continue;
      seen.add(edge.id);
      const spec = specOf(edge.data);
      const stream = this.streams.get(edge.id);
      if (stream) stream.retune(spec);
      else this.streams.set(edge.id, new Stream(spec, phaseOf(edge.id)));
    }
    for (const id of [...this.streams.keys()]) if (!seen.has(id)) this.streams.delete(id);
    this.measured = false;
  }

  /** @param {boolean} on */
  switch(on) {
    if (on === this.running) return;
    this.running = on;
    this.canvas.hidden = !on;
    if (on) this.#kick();
    else for (const stream of this.streams.values()) stream.dots = [];
  }

  #kick() {
    if (!this.running || document.hidden || this.frame) return;
    this.last = performance.now();
    this.counted = this.last;
    this.frames = 0;
    const next = (/** @type {number} */ now) => {
      this.frame = 0;
      if (!this.running || document.hidden) return;
      this.#draw(Math.min(LONGEST_STEP, Math.max(0, now - /** @type {number} */ (this.last))));
      this.last = now;
      this.frame = requestAnimationFrame(next);
    };
    this.frame = requestAnimationFrame(next);
  }

  /** @param {string} id of an edge */
  #path(id) {
    let path = this.paths.get(id);
    if (path === undefined) {
      const edge = this.cy.getElementById(id);
      const from = edge.nonempty() && edge.visible() ? edge.sourceEndpoint() : null;
      path = from
        ? { ...pathOf(from, edge.controlPoints() ?? [], edge.targetEndpoint()), health: edge.data('health'), dim: edge.hasClass('dim'), label: labelOf(edge) }
        : null;
      this.paths.set(id, path);
    }
    return path;
  }

  #measure() {
    this.measured = true;
    const edges = [...this.streams].map(([id, { spec }]) => ({ spec, length: this.#path(id)?.length ?? 0 }));
    const thin = thinning(edges);
    for (const stream of this.streams.values()) stream.thin = thin;
    if (thin !== this.thin) this.thinned(this.thin = thin);
  }

  /** @param {number} elapsed milliseconds */
  #draw(elapsed) {
    const begin = performance.now();
    const { canvas, context, cy } = this;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(cy.width() * ratio), Math.round(cy.height() * ratio)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    else context.clearRect(0, 0, width, height);
    if (!this.measured) this.#measure();
    const zoom = cy.zoom();
    const pan = cy.pan();
    const size = Math.max(2, Math.min(2, zoom) * RADIUS * ratio);
    let count = 0;
    let failed;
    for (const [id, stream] of this.streams) {
      const path = this.#path(id);
      if (!path) continue;
      if (id !== this.still) stream.step(elapsed, path.length);
      if (!stream.dots.length) continue;
      const { points, length, label } = path;
      const last = points.length / 2 - 1;
      context.globalAlpha = path.dim ? 0.2 : 1;
      const passed = this.#sprite(path.health, size);
      for (const dot of stream.dots) {
        const place = Math.min(0.99999, dot.at / length) * last;
        const i = Math.floor(place);
        const part = place - i;
        const x = points[2 * i] + part * (points[2 * i + 2] - points[2 * i]);
        const y = points[2 * i + 1] + part * (points[2 * i + 3] - points[2 * i + 1]);
        count += 1;
        if (label && x > label.x1 && x < label.x2 && y > label.y1 && y < label.y2) continue;
        if (dot.error) failed ??= this.#sprite('error', size);
        const sprite = dot.error ? /** @type {HTMLCanvasElement} */ (failed) : passed;
        context.drawImage(sprite, Math.round((x * zoom + pan.x) * ratio - sprite.width / 2), Math.round((y * zoom + pan.y) * ratio - sprite.height / 2));
      }
    }
    context.globalAlpha = 1;
    this.#count(count, performance.now() - begin);
  }

  /**
   * A dot, drawn once: a disc; hollow for TCP; a red square on its corner for a failure.
   * @param {string} kind
   * @param {number} size radius in device pixels
   */
  #sprite(kind, size) {
    const key = `${kind} ${size.toFixed(1)}`;
    let sprite = this.sprites.get(key);
    if (sprite) return sprite;
    if (this.sprites.size > 60) this.sprites.clear();
    sprite = document.createElement('canvas');
    const half = Math.ceil(size * 1.7) + 1;
    [sprite.width, sprite.height] = [2 * half, 2 * half];
    const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext('2d'));
    context.translate(half, half);
    context.beginPath();
    if (kind === 'error') {
      const r = size * 1.5;
      context.moveTo(0, -r); context.lineTo(r, 0); context.lineTo(0, r); context.lineTo(-r, 0); context.closePath();
    } else context.arc(0, 0, size, 0, 2 * Math.PI);
    const colour = kind === 'error' ? this.theme.failing : /** @type {any} */ (this.theme)[kind] ?? this.theme.idle;
    context.fillStyle = kind === 'tcp' ? this.theme.surface : colour;
    context.strokeStyle = kind === 'tcp' ? colour : this.theme.surface;
    context.lineWidth = Math.max(1, size / (kind === 'tcp' ? 2.2 : 4));
    context.fill();
    context.stroke();
    this.sprites.set(key, sprite);
    return sprite;
  }

  /** Frames per second and dots, once a second, for the bench and for curious people. @param {number} dots @param {number} millis of this frame */
  #count(dots, millis) {
    this.frames += 1;
    const now = performance.now();
    if (now - this.counted < 1000) return;
    this.canvas.dataset.fps = ((this.frames * 1000) / (now - this.counted)).toFixed(1);
    this.canvas.dataset.dots = String(dots);
    this.canvas.dataset.millis = millis.toFixed(1);
    this.counted = now;
    this.frames = 0;
  }
}

/** @param {any} edge @returns {{x1: number, y1: number, x2: number, y2: number} | null} where its label stands: dots pass below it */
export function labelOf(edge) {
  if (!edge.data('label')) return null;
  return edge.boundingBox({ includeNodes: false, includeEdges: false, includeOverlays: false, includeUnderlays: false });
}

/** @param {string} id @returns {number} 0..1, always the same for an edge */
function phaseOf(id) {
  let hash = 7;
  for (let i = 0; i < id.length; i += 1) hash = (hash * 31 + id.charCodeAt(i)) % 9973;
  return hash / 9973;
}
