/** byte-text.ts: sizes for people. */
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
const STEP = 1_024;

/** Such as `0 B`, `1.5 KiB`, `340 MiB`. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}
