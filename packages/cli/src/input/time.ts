/**
 * time.ts: times as people write them: ISO 8601 with `Z` or an offset, never a local time that another machine reads differently.
 */

const ISO = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970 of an ISO 8601 time with zone, or null when `text` is none. Fractions below a millisecond are cut. */
export function parseTime(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0] = match.slice(1, 4).map(Number);
  // Date would take 30 February for 2 March.
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return null;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? null : timeMs;
}

/** ISO 8601 in UTC with milliseconds; what is no time of a calendar (a producer's clock can say anything) stays a number in text. */
export function formatTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? String(timeMs) : date.toISOString();
}
