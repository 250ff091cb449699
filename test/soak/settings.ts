/** settings.ts: what a soak run is told on its command line. */
import { parseArgs } from "node:util";

export interface SoakSettings {
  readonly minutes: number;
  readonly sendsPerSecond: number;
  /** Bytes of each value, at least those of its number. */
  readonly valueBytes: number;
  readonly deliveryTimeoutMs: number;
  readonly bufferBytesMax: number;
  /** Draws which broker is broken when. */
  readonly seed: number;
}

export const USAGE = `usage: node test/soak/dist/main.js [options]
  --minutes N               how long records are sent (10)
  --sends-per-second N      (5000)
  --value-bytes N           (200)
  --delivery-timeout-ms N   the producer's; all brokers are down for half as long again now and then (10000)
  --buffer-bytes N          the producer's bufferBytesMax (4194304)
  --seed N                  draws which broker is broken (random)
`;

const DEFAULTS = {
  minutes: 10,
  "sends-per-second": 5_000,
  "value-bytes": 200,
  "delivery-timeout-ms": 10_000,
  "buffer-bytes": 4 * 1_024 * 1_024,
} as const;
const VALUE_BYTES_MIN = 8;

/** @throws Error that says what is wrong with the arguments. */
export function parseSettings(args: readonly string[]): SoakSettings {
  const names = [...Object.keys(DEFAULTS), "seed"];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parseArgs({ args: [...args], options, strict: true });
  const numberOf = (name: string, fallback: number): number => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a number above 0`);
    return value;
  };
  const settings = {
    minutes: numberOf("minutes", DEFAULTS.minutes),
    sendsPerSecond: numberOf("sends-per-second", DEFAULTS["sends-per-second"]),
    valueBytes: numberOf("value-bytes", DEFAULTS["value-bytes"]),
    deliveryTimeoutMs: numberOf("delivery-timeout-ms", DEFAULTS["delivery-timeout-ms"]),
    bufferBytesMax: numberOf("buffer-bytes", DEFAULTS["buffer-bytes"]),
    seed: numberOf("seed", 1 + (Date.now() % 2 ** 32)),
  };
  if (settings.valueBytes < VALUE_BYTES_MIN) throw new Error(`--value-bytes must be at least ${VALUE_BYTES_MIN}`);
  return settings;
}
