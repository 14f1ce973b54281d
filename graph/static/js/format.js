/**
 * How numbers, times and bytes are written: one place, so that labels, panel, plots and the report agree.
 * The rules for edge labels are Kiali's (two decimals, trailing zeros cut; bps below 1024; ms below 1000).
 */

/**
 * @param {number} value
 * @param {number} [decimals] at most this many, trailing zeros cut
 * @returns {string} `0.03`, `4.5`, `12`; an en dash where the value is not a finite number
 */
export function number(value, decimals = 2) {
  if (!Number.isFinite(value)) return '–';
  const fixed = value.toFixed(decimals);
  const text = fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
  return text === '-0' ? '0' : text;
}

/** @param {number} value requests per second @returns {string} `4.5 rps` */
export const rate = (value) => `${number(value)} rps`;

/** @param {number} value percentage 0..100 @param {number} [decimals] @returns {string} `11.3%` */
export const percent = (value, decimals = 1) => (Number.isFinite(value) ? `${number(value, decimals)}%` : '–');

/** @param {number} ms milliseconds @returns {string} `12ms`, from 1000 `1.2s` */
export function millis(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 1000) return `${number(ms / 1000)}s`;
  return ms > 0 && ms < 10 ? `${number(ms, 1)}ms` : `${number(ms, 0)}ms`;
}

/** @param {number} value bytes per second @returns {string} `523bps` below 1024, then `1.5kps`, `2.1mps` (Kiali's units) */
export function throughput(value) {
  if (!Number.isFinite(value)) return '–';
  if (value < 1024) return `${number(value, value < 10 ? 2 : 0)}bps`;
  if (value < 1024 * 1024) return `${number(value / 1024)}kps`;
  return `${number(value / 1024 / 1024)}mps`;
}

/** @param {number} value bytes @returns {string} `1.5 KiB` */
export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  for (const [unit, size] of /** @type {[string, number][]} */ ([['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]])) {
    if (Math.abs(value) >= size) return `${number(value / size)} ${unit}`;
  }
  return `${number(value, 0)} B`;
}

/** @param {number} seconds @returns {string} `1m`, `1h`, `45s`, `Pause` for 0 */
export function duration(seconds) {
  if (seconds === 0) return 'Pause';
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return `${seconds}s`;
}

/** @param {number} seconds unix time @returns {string} local wall clock `20:15:03` */
export function clock(seconds) {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/**
 * A value in one of Grafana's units, as the metrics page shows it.
 * @param {number | null} value
 * @param {string} unit reqps, ms, s, percent, percentunit, Bps, bytes, short
 * @returns {string}
 */
export function inUnit(value, unit) {
  if (value === null || !Number.isFinite(value)) return '–';
  switch (unit) {
    case 'reqps': return `${number(value)} req/s`;
    case 'ms': return millis(value);
    case 's': return millis(value * 1000);
    case 'percent': return percent(value);
    case 'percentunit': return percent(value * 100);
    case 'Bps':
    case 'binBps': return `${bytes(value)}/s`;
    case 'bytes':
    case 'decbytes': return bytes(value);
    default: return Math.abs(value) >= 10000 ? number(value, 0) : number(value, 2);
  }
}

/** @param {number} count @param {string} one @param {string} [many] @returns {string} `1 edge`, `2 edges` */
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
