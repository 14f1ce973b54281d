/** What was changed in the cluster: asked often, so that the picture shows within seconds what somebody did. */
import { ApiError, get } from './api.js';

/** Milliseconds between two looks; and how long after a change the picture is renewed as often. */
const LOOK = 2000;
const AFTERMATH = 30000;
/** Seconds that are looked back. */
const BACK = 3600;

export class Changes {
  /**
   * @param {() => string[]} namespaces
   * @param {() => void} renew called when there is something new, and for a while after
   */
  constructor(namespaces, renew) {
    this.namespaces = namespaces;
    this.renew = renew;
    /** The oldest first. @type {{time: number, kind: string, namespace: string, name: string, text: string}[]} */
    this.list = [];
    /** Until when the picture is renewed at every look, performance.now(). */
    this.until = -Infinity;
    this.known = '';
  }

  /** @param {AbortSignal} [signal] @returns {Promise<boolean>} is there a change that was not there before? */
  async look(signal) {
    const names = this.namespaces().join(',');
    if (!names) return false;
    this.list = await get('api/c756/changes', { namespaces: names, duration: `${BACK}s` }, signal);
    const before = this.known;
    const last = this.list.at(-1);
    this.known = `${names} ${last ? `${last.time} ${last.name}` : ''}`;
    return before !== '' && before !== this.known && before.split(' ')[0] === names;
  }

  /** @param {number} from @param {number} to unix seconds */
  within(from, to) {
    return this.list.filter(({ time }) => time >= from && time <= to);
  }

  /** Looks again and again, while somebody sees the page. */
  async watch() {
    if (!document.hidden) {
      try {
        if (await this.look()) this.until = performance.now() + AFTERMATH;
        if (performance.now() < this.until) this.renew();
      } catch (error) {
        // The graph request tells of the same trouble, with the cure.
        if (!(error instanceof ApiError)) throw error;
      }
    }
    setTimeout(() => this.watch(), LOOK);
  }
}
