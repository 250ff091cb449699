/** format.ts: numbers, sizes, durations and ranges in words, for the script of the status page. */
export const FORMAT = String.raw`
const whole = new Intl.NumberFormat("en");
/** @param {number | null} value */
const count = (value) => (value === null ? "unknown" : whole.format(value));
/** @param {number} value @param {string} one @param {string} [many] */
const counted = (value, one, many = one + "s") => whole.format(value) + " " + (value === 1 ? one : many);
/** @param {number | null} value */
const bytes = (value) => {
  if (value === null) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let left = value;
  while (left >= 1024 && at < units.length - 1) {
    left /= 1024;
    at++;
  }
  return (at === 0 || left >= 100 ? whole.format(Math.round(left)) : left.toFixed(1)) + " " + units[at];
};
/** @param {number | null} ms */
const duration = (ms) => {
  if (ms === null) return "unknown";
  if (ms === 0) return "0 s";
  if (ms < 1000) return Math.round(ms) + " ms";
  const steps = /** @type {[number, string][]} */ ([[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]);
  let left = Math.round(ms / 1000);
  const parts = [];
  for (const [seconds, unit] of steps) {
    if (left >= seconds) parts.push(Math.floor(left / seconds) + " " + unit);
    left %= seconds;
  }
  return parts.slice(0, 2).join(" ");
};
/** [0, 1, 2, 5] is "0-2, 5". @param {readonly number[]} numbers */
const ranges = (numbers) => {
  const sorted = [...numbers].sort((left, right) => left - right);
  const parts = [];
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at];
    while (sorted[at + 1] === sorted[at] + 1) at++;
    parts.push(first === sorted[at] ? String(first) : first + "\u2013" + sorted[at]);
  }
  return parts.join(", ");
};
`;
