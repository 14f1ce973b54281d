/** Draws a padlock beside the label of each edge that has the badge `padlock`: cytoscape's edges hold no pictures. */
import { labelOf } from './animation.js';

/** Width, in sizes of the label's text. */
const WIDTH = 1.5;

export class Padlocks {
  /**
   * @param {any} cy cytoscape
   * @param {HTMLCanvasElement} canvas lies over the graph, lets the mouse through; says in data-drawn how many there are
   */
  constructor(cy, canvas) {
    this.cy = cy;
    this.canvas = canvas;
    this.image = new Image();
    this.image.src = new URL('static/icons/padlock.svg', document.baseURI).href;
    this.image.addEventListener('load', () => cy.on('render', () => this.#draw()) && this.#draw());
  }

  #draw() {
    const { canvas, cy } = this;
    const labels = cy.edges().filter((/** @type {any} */ edge) => edge.data('badges').includes('padlock') && edge.visible())
      .map((/** @type {any} */ edge) => ({ box: labelOf(edge), size: WIDTH * edge.numericStyle('font-size'), dim: edge.hasClass('dim') })).filter((/** @type {any} */ { box }) => box);
    if (!labels.length && canvas.dataset.drawn === '0') return;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(cy.width() * ratio), Math.round(cy.height() * ratio)];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const [scale, { x, y }] = [cy.zoom() * ratio, cy.pan()];
    context.setTransform(scale, 0, 0, scale, x * ratio, y * ratio);
    for (const { box, size, dim } of labels) {
      context.globalAlpha = dim ? 0.25 : 1;
      context.drawImage(this.image, box.x1 - size, (box.y1 + box.y2 - size) / 2, size, size);
    }
    canvas.dataset.drawn = String(labels.length);
  }
}
