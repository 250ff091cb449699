/**
 * did-you-mean.ts: the known name that a mistyped one was probably meant to be.
 */

/** Names longer than this are not compared. */
const LENGTH_MAX = 100;

/** The closest of `known` within `distanceMax` edits, letter case and separators apart; null when none is that close. */
export function closest(name: string, known: readonly string[], distanceMax: number): string | null {
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const candidate of known) {
    const distance = editDistance(plain(name), plain(candidate));
    if (distance <= distanceMax && (best === null || distance < best.distance)) best = { name: candidate, distance };
  }
  return best?.name ?? null;
}

function plain(name: string): string {
  return name.slice(0, LENGTH_MAX).toLowerCase().replaceAll(/[_-]/g, "");
}

/** Insertions, deletions and replacements that turn one text into the other (Levenshtein), row by row. */
export function editDistance(left: string, right: string): number {
  let above = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[right.length] ?? 0;
}
