/** Asks again and again, with the chosen pause; more patiently after failures; not at all while nobody looks. */

import { ApiError } from './api.js';

/** Milliseconds until the next try after the 1st, 2nd, 3rd ... failure in a row; a shorter chosen interval wins. */
const RETRY = [2000, 4000, 8000, 15000];

/**
 * @param {number} interval milliseconds, 0 = Pause
 * @param {number} failures in a row
 * @returns {number} milliseconds to wait, Infinity for never
 */
export function waitFor(interval, failures) {
  if (failures === 0) return interval === 0 ? Infinity : interval;
  if (interval === 0) return Infinity;
  return Math.min(interval, RETRY[Math.min(failures, RETRY.length) - 1]);
}

export class Poller {
  /**
   * @param {(signal: AbortSignal) => Promise<void>} work rejects with an ApiError when the server failed; what it rejects with after `signal` fired is nobody's failure
   * @param {number} interval milliseconds, 0 = Pause
   */
  constructor(work, interval) {
    this.work = work;
    this.interval = interval;
    this.failures = 0;
    /** When the last round ended, performance.now(). */
    this.ended = -Infinity;
    /** @type {AbortController | null} */
    this.current = null;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && performance.now() - this.ended >= waitFor(this.interval, this.failures)) this.now();
    });
  }

  /** @param {number} interval milliseconds, 0 = Pause */
  every(interval) {
    this.interval = interval;
    if (!this.current) this.#plan();
  }

  /** Does the work now, in place of what is under way. @returns {Promise<void>} */
  async now() {
    clearTimeout(this.timer);
    this.current?.abort();
    const mine = new AbortController();
    this.current = mine;
    try {
      await this.work(mine.signal);
      this.failures = 0;
    } catch (error) {
      if (mine.signal.aborted) return;
      this.failures += 1;
      // What the server refused was told by the work itself; anything else is a fault of the page and must be seen.
      if (!(error instanceof ApiError)) reportError(error);
    }
    if (this.current !== mine) return;
    this.current = null;
    this.ended = performance.now();
    this.#plan();
  }

  #plan() {
    clearTimeout(this.timer);
    const wait = waitFor(this.interval, this.failures);
    if (!Number.isFinite(wait)) return;
    this.timer = setTimeout(() => { if (!document.hidden) this.now(); }, Math.max(0, wait));
  }
}
