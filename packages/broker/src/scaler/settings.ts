/**
 * settings.ts: what the trigger of a ScaledObject says under `metadata`, checked.
 *
 * KEDA sends all of a trigger's metadata as text, its own entries among them (`scalerAddress`), and an entry `groupFromEnv` with the value that
 * it took from the scaled container's environment. What nobody knows is refused: a misspelt option would silently be its default.
 * Source: keda.sh, "External Scalers" and "External" of the list of scalers.
 */
import { nameProblem, VarveError } from "@varve/base";

/** How a consumer group is to be scaled. */
export interface ScalerSettings {
  readonly group: string;
  /** Only this topic counts; null: every topic that the group has a part in. */
  readonly topic: string | null;
  /** The lag that is aimed at, seconds. Default 30, 1 to 604,800. */
  readonly lagSeconds: number;
  /** A record that has waited for this long makes the group active, seconds. Default 0: any unread record; at most 604,800. */
  readonly activationLagSeconds: number;
  /** Where the group reads a partition of which it has committed nothing. `latest`: such a partition has no lag. Default `earliest`. */
  readonly startFrom: "earliest" | "latest";
  /** No more consumers than partitions with unread records; false: than partitions. Default true. */
  readonly limitToPartitionsWithLag: boolean;
}

/** A week: more than any autoscaler should wait for. */
const SECONDS_MAX = 604_800;
const OPTIONS = ["group", "topic", "lagSeconds", "activationLagSeconds", "startFrom", "limitToPartitionsWithLag"];
/** Entries that KEDA reads itself. */
const OF_KEDA: ReadonlySet<string> = new Set([
  "scalerAddress",
  "enableTLS",
  "unsafeSsl",
  "tlsCertFile",
  "caCert",
  "tlsClientCert",
  "tlsClientKey",
]);
const FROM_ENV = "FromEnv";

/** @throws VarveError INVALID_ARGUMENT with every problem. */
export function scalerSettings(metadata: Readonly<Record<string, string>>): ScalerSettings {
  const problems: string[] = [];
  const given = new Map<string, string>();
  for (const [key, value] of Object.entries(metadata)) {
    const option = key.endsWith(FROM_ENV) ? key.slice(0, -FROM_ENV.length) : key;
    if (OPTIONS.includes(option)) given.set(option, value);
    else if (!OF_KEDA.has(option)) problems.push(`${key} is unknown; there are ${OPTIONS.join(", ")}`);
  }
  const settings = {
    group: nameOf("group", given, problems) ?? "",
    topic: nameOf("topic", given, problems),
    lagSeconds: secondsOf("lagSeconds", given, { least: 1, otherwise: 30 }, problems),
    activationLagSeconds: secondsOf("activationLagSeconds", given, { least: 0, otherwise: 0 }, problems),
    startFrom: choiceOf("startFrom", given, ["earliest", "latest"] as const, problems),
    limitToPartitionsWithLag:
      choiceOf("limitToPartitionsWithLag", given, ["true", "false"] as const, problems) === "true",
  };
  if (!given.has("group")) problems.unshift("group is missing: the name of the consumer group");
  if (problems.length === 0) return settings;
  throw new VarveError("INVALID_ARGUMENT", {
    message: `the metadata of the trigger is wrong: ${problems.join("; ")}; change it in the ScaledObject`,
    details: { problems: problems.map((problem) => problem.slice(0, 300)) },
    effect: "NONE",
  });
}

function nameOf(key: string, given: ReadonlyMap<string, string>, problems: string[]): string | null {
  const name = given.get(key);
  if (name === undefined) return null;
  const problem = nameProblem(name);
  if (problem !== null) problems.push(`${key}: ${JSON.stringify(name.slice(0, 100))} ${problem}`);
  return name;
}

function secondsOf(
  key: string,
  given: ReadonlyMap<string, string>,
  { least, otherwise }: { readonly least: number; readonly otherwise: number },
  problems: string[],
): number {
  const text = given.get(key);
  if (text === undefined) return otherwise;
  const seconds = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= least && seconds <= SECONDS_MAX) return seconds;
  problems.push(`${key}: ${JSON.stringify(text.slice(0, 40))} is not a whole number from ${least} to ${SECONDS_MAX}`);
  return otherwise;
}

/** The first choice is the default. */
function choiceOf<Choice extends string>(
  key: string,
  given: ReadonlyMap<string, string>,
  choices: readonly [Choice, ...Choice[]],
  problems: string[],
): Choice {
  const text = given.get(key);
  if (text === undefined) return choices[0];
  const found = choices.find((choice) => choice === text);
  if (found === undefined) problems.push(`${key}: ${JSON.stringify(text.slice(0, 40))} is not ${choices.join(" or ")}`);
  return found ?? choices[0];
}
