/** A button that opens a panel below it: Escape and a click elsewhere close it, focus returns to the button. */

/**
 * @param {HTMLElement} button
 * @param {HTMLElement} panel
 * @returns {{close: () => void}}
 */
export function popover(button, panel) {
  button.setAttribute('aria-expanded', 'false');
  button.setAttribute('aria-controls', panel.id);
  const close = () => {
    panel.hidden = true;
    button.setAttribute('aria-expanded', 'false');
  };
  button.addEventListener('click', () => {
    const open = panel.hidden;
    panel.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    if (open) /** @type {HTMLElement | null} */ (panel.querySelector('input, button, select'))?.focus();
  });
  for (const element of [panel, button]) {
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || panel.hidden) return;
      event.stopPropagation();
      close();
      button.focus();
    });
  }
  document.addEventListener('pointerdown', (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!panel.hidden && !panel.contains(target) && !button.contains(target)) close();
  });
  panel.addEventListener('focusout', (event) => {
    const next = /** @type {Node | null} */ (/** @type {FocusEvent} */ (event).relatedTarget);
    if (next && !panel.contains(next) && !button.contains(next)) close();
  });
  return { close };
}
