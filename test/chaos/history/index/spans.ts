/** spans.ts: stretches of time, joined and cut. */

/** From a time to a later one, in milliseconds. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** The same time in spans that lie more than `pauseMs` apart, in order. */
export function union(spans: readonly Span[], pauseMs = 0): Span[] {
  const joined: Span[] = [];
  for (const { startMs, endMs } of [...spans].sort((left, right) => left.startMs - right.startMs)) {
    const last = joined.at(-1);
    if (last !== undefined && startMs <= last.endMs + pauseMs)
      joined[joined.length - 1] = { startMs: last.startMs, endMs: Math.max(last.endMs, endMs) };
    else joined.push({ startMs, endMs });
  }
  return joined;
}

/** The parts of a span that no other covers. */
export function uncovered({ startMs, endMs }: Span, covers: readonly Span[]): Span[] {
  const left: Span[] = [];
  let from = startMs;
  for (const cover of union(covers)) {
    if (cover.startMs >= endMs) break;
    if (cover.startMs > from) left.push({ startMs: from, endMs: cover.startMs });
    from = Math.max(from, cover.endMs);
  }
  if (from < endMs) left.push({ startMs: from, endMs });
  return left;
}
