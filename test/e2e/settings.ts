/** settings.ts: what `npm run test:e2e` is told on its command line. */
import { parseArgs } from "node:util";
import { BRIEF, CHOICES } from "./plan.js";

export interface Settings {
  /** Of CHOICES. */
  readonly scenarios: readonly string[];
  /** Draws victims and keys. */
  readonly seed: number;
  readonly sendsPerSecond: number;
  /** Whether images that are there are taken as they are. */
  readonly build: boolean;
  /** Whether a clean run's table goes to deploy/README.md. */
  readonly document: boolean;
  readonly out: string;
}

export const USAGE = `usage: npm run test:e2e -- [options]
  --scenarios LIST       with commas, of ${CHOICES.join(", ")} (all)
  --brief                what CI runs: ${BRIEF.join(", ")}
  --seed S               draws victims and keys (random)
  --sends-per-second N   of all producers together (100)
  --no-build             take the images of the last run as they are
  --document             after a clean run: write its table of gaps into deploy/README.md
  --out DIR              where histories and reports go (e2e-report)
`;

const SENDS_MAX = 10_000;

/** @throws Error that says what is wrong with the arguments. */
export function parseSettings(args: readonly string[]): Settings {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      scenarios: text,
      brief: flag,
      seed: text,
      "sends-per-second": text,
      "no-build": flag,
      document: flag,
      out: text,
    },
  });
  return {
    scenarios: values.scenarios?.split(",") ?? (values.brief === true ? BRIEF : CHOICES),
    seed: integerIn("seed", values.seed ?? String(1 + (Date.now() % 2 ** 32)), 0, Number.MAX_SAFE_INTEGER),
    sendsPerSecond: integerIn("sends-per-second", values["sends-per-second"] ?? "100", 20, SENDS_MAX),
    build: values["no-build"] !== true,
    document: values.document ?? false,
    out: values.out ?? "e2e-report",
  };
}

function integerIn(name: string, given: string, min: number, max: number): number {
  const value = Number(given);
  if (given !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`--${name} must be an integer in ${min} .. ${max}, not ${JSON.stringify(given)}`);
}
