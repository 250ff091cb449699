/**
 * feature-levels.ts: which formats a cluster may write. A level is finalised by command only, when every broker supports it, and never goes back.
 *
 * Every broker registers the range of levels that its software supports: `formatVersionMin .. formatVersion`. Software from before there were
 * levels registered the version of its data format, 1: it supports level 1 and nothing else. At level 1 the commands and snapshots are, byte for
 * byte, what such software writes and reads; so old and new brokers form one cluster until an operator finalises level 2.
 * Invariants:
 *   F1  the finalised level never goes back
 *   F2  every registered broker supports the finalised level
 *   F3  a command that a broker of the finalised level could not decode never enters the log (`answerBeforeLog`)
 *   F4  what is decided depends on the log alone, never on the range of the software that applies it
 * Sources: KIP-584 (finalised features are data of the controller, apart from what each broker supports); etcd's cluster version.
 */
import type { ControllerCommand, FinalizeLevelCommand, RegisterBrokerCommand } from "./commands.js";
import { changed, DONE, type Outcome, refused, unchanged } from "./outcome.js";
import { type CommandResult, type Refusal, refuse } from "./result.js";
import type { Tables } from "./tables.js";

/** One level: what may be written from it on. */
export interface FeatureLevel {
  readonly level: number;
  /** Version of the peer protocol that every broker at this level speaks; one that does not is refused by the handshake. */
  readonly peerProtocol: number;
  /** What it brings, for operators. */
  readonly brings: string;
}

/** Every level that this software supports, oldest first. */
export const FEATURE_LEVELS = [
  { level: 1, peerProtocol: 1, brings: "the formats of 0.1.0" },
  {
    level: 2,
    peerProtocol: 2,
    brings:
      "the controller's snapshots keep the level and each broker's range; replicas of internal topics can be moved",
  },
] as const satisfies readonly FeatureLevel[];

/** The range of levels that this software supports. */
export const SUPPORTED_LEVELS = { min: 1, max: 2 } as const;

/** The level of a cluster that never finalised one. */
export const FIRST_LEVEL = 1;
/** From this level on snapshots are written in version 3. */
export const SNAPSHOT_3_LEVEL = 2;
/** From this level on `setReplicas` takes internal topics. */
export const INTERNAL_MOVES_LEVEL = 2;

/** The range of peer protocols that this software speaks in a cluster of this level. */
export function peerProtocols(level: number): { readonly min: number; readonly max: number } {
  const known: readonly FeatureLevel[] = FEATURE_LEVELS;
  const spoken = known.find((row) => row.level === level);
  const newest = known[known.length - 1];
  return { min: spoken?.peerProtocol ?? 1, max: newest?.peerProtocol ?? 1 };
}

/** Why software that supports levels `min .. max` cannot be part of a cluster of this level; null: it can. */
export function levelProblem(
  level: number,
  { min, max }: { readonly min: number; readonly max: number },
): string | null {
  if (level >= min && level <= max) return null;
  const range = min === max ? `level ${min} only` : `levels ${min} to ${max}`;
  const help =
    level > max ? "start a newer version of it" : "start an older version of it, finalise a later level, then upgrade";
  return `the cluster's feature level is ${level}, and this software supports ${range}: ${help}`;
}

export function applyFinalizeLevel(tables: Tables, command: FinalizeLevelCommand): Outcome {
  const problem = finalizeProblem(tables, command);
  if (problem !== null) return refused(problem);
  if (tables.featureLevel === command.level) return unchanged(DONE);
  tables.featureLevel = command.level;
  return changed(DONE);
}

function finalizeProblem(tables: Tables, { level }: FinalizeLevelCommand): Refusal | null {
  if (!Number.isSafeInteger(level) || level < FIRST_LEVEL)
    return refuse("INVALID_ARGUMENT", `a feature level is a whole number from ${FIRST_LEVEL} on, not ${level}`);
  if (level < tables.featureLevel) {
    const message = `the cluster's feature level is ${tables.featureLevel} and never goes back to ${level}; nothing was changed`;
    return refuse("INVALID_ARGUMENT", message, { featureLevel: tables.featureLevel });
  }
  const unable = brokersUnable(tables, level);
  if (unable.length === 0) return null;
  const message = `feature level ${level} is not finalised: ${unable.join("; ")}; nothing was changed; upgrade them, or decommission those that are gone`;
  return refuse("INVALID_ARGUMENT", message, { featureLevel: tables.featureLevel, problems: unable });
}

/** Who keeps a level from being finalised, and why. A broker that has joined and not registered yet may be of any version. */
function brokersUnable(tables: Tables, level: number): string[] {
  const registered = [...tables.brokers.values()].sort((left, right) => left.brokerId - right.brokerId);
  const old = registered
    .filter(({ formatVersion, formatVersionMin }) => level > formatVersion || level < formatVersionMin)
    .map(
      ({ brokerId, version, formatVersion, formatVersionMin }) =>
        `broker ${brokerId} (version ${version}) supports levels ${formatVersionMin} to ${formatVersion}`,
    );
  const strangers = tables.controllerReplicas
    .filter(({ directoryId, leaving }) => !leaving && registered.every((broker) => broker.directoryId !== directoryId))
    .map(({ brokerId }) => `broker ${brokerId} has not registered yet`);
  return level === tables.featureLevel ? old : [...old, ...strangers];
}

/** A broker of another range than the cluster's level is refused (F2). */
export function registrationProblem(tables: Tables, command: RegisterBrokerCommand): Refusal | null {
  const { brokerId, formatVersion: max, formatVersionMin: min } = command;
  if (min > max) return refuse("INVALID_ARGUMENT", `broker ${brokerId} supports no feature level: ${min} to ${max}`);
  const problem = levelProblem(tables.featureLevel, { min, max });
  if (problem === null) return null;
  const details = { brokerId, featureLevel: tables.featureLevel, levelMin: min, levelMax: max };
  return refuse("DATA_DIR_UNUSABLE", `broker ${brokerId} is refused: ${problem}`, details);
}

/**
 * The answer to a command that must not enter the log, as brokers of the finalised level could not decode it (F3), or need not; null: append it.
 * Only the leader asks; a command that two of them let in at once is judged again when it is applied.
 */
export function answerBeforeLog(tables: Tables, command: ControllerCommand): CommandResult | null {
  if (command.kind === "finalizeLevel") {
    if (command.level === tables.featureLevel) return { ok: true, value: DONE };
    return finalizeProblem(tables, command);
  }
  return command.kind === "registerBroker" ? registrationProblem(tables, command) : null;
}
