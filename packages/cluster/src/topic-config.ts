/**
 * topic-config.ts: every setting of a topic, one row each. Validation, defaults and the printed reference read this table.
 */
import { DAY_MS, GIB, KIB, LIMITS, MIB, NUMBER_MAX, SECOND_MS } from "@varve/base";

/** Value of a setting that has no bound. */
export const UNLIMITED = -1;

export interface TopicConfigRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Whether -1 = unlimited is allowed beside `min .. max`. */
  readonly unlimited: boolean;
  readonly unit: "ms" | "bytes";
  readonly effect: string;
}

export const TOPIC_CONFIG = {
  retentionMs: {
    default: LIMITS.retentionMs,
    min: SECOND_MS / 10,
    max: 36_500 * DAY_MS,
    unlimited: true,
    unit: "ms",
    effect:
      "Age, by the broker's append time, after which records may be deleted. Whole segments go at once, so records live up to segmentMs longer.",
  },
  retentionBytes: {
    default: UNLIMITED,
    min: 1,
    max: NUMBER_MAX,
    unlimited: true,
    unit: "bytes",
    effect: "Size of one partition on one broker above which its oldest segments are deleted.",
  },
  segmentBytes: {
    default: LIMITS.segmentBytes,
    min: 64 * KIB,
    max: GIB,
    unlimited: false,
    unit: "bytes",
    effect:
      "Size at which a segment is closed and the next begins. Smaller: retention is finer, files and checkpoints are more.",
  },
  segmentMs: {
    default: LIMITS.segmentMs,
    min: SECOND_MS / 10,
    max: 3_650 * DAY_MS,
    unlimited: false,
    unit: "ms",
    effect: "Age at which a segment is closed even if it is small, so that retention by time can delete it.",
  },
  batchBytesMax: {
    default: LIMITS.batchBytesMax,
    min: KIB,
    max: 4 * MIB,
    unlimited: false,
    unit: "bytes",
    effect:
      "Largest record batch that this topic accepts, as it is on the wire. A larger one is refused with BATCH_TOO_LARGE.",
  },
} as const satisfies Record<string, TopicConfigRow>;

export type TopicConfigKey = keyof typeof TOPIC_CONFIG;
/** All settings of a topic with their values. */
export type TopicConfig = { readonly [Key in TopicConfigKey]: number };
/** The settings that were set; the others have their defaults. */
export type TopicConfigOverrides = { readonly [Key in TopicConfigKey]?: number };
/** A change of settings as it arrives: any key, null = back to the default. Checked when it is applied. */
export type TopicConfigPatch = Readonly<Record<string, number | null>>;

export const TOPIC_CONFIG_KEYS = Object.keys(TOPIC_CONFIG) as readonly TopicConfigKey[];

export function isTopicConfigKey(key: string): key is TopicConfigKey {
  return Object.hasOwn(TOPIC_CONFIG, key);
}

/** Everything that is wrong with `patch`, one text each, sorted by key; empty when it can be applied. */
export function topicConfigProblems(patch: TopicConfigPatch): string[] {
  const problems: string[] = [];
  for (const key of Object.keys(patch).sort()) {
    const value = patch[key];
    if (!isTopicConfigKey(key)) problems.push(`${key}: unknown setting; known are ${TOPIC_CONFIG_KEYS.join(", ")}`);
    else if (value !== null && value !== undefined) problems.push(...valueProblems(key, value));
  }
  return problems;
}

function valueProblems(key: TopicConfigKey, value: number): string[] {
  const row: TopicConfigRow = TOPIC_CONFIG[key];
  if (row.unlimited && value === UNLIMITED) return [];
  const range = `${row.min} .. ${row.max} ${row.unit}${row.unlimited ? ", or -1 = unlimited" : ""}`;
  if (!Number.isInteger(value)) return [`${key}: must be an integer in ${range}, got ${JSON.stringify(value)}`];
  if (value < row.min || value > row.max) return [`${key}: must be in ${range}, got ${value}`];
  return [];
}

/** `overrides` after `patch`, keys in the table's order. The patch has no problems. */
export function patchTopicConfig(overrides: TopicConfigOverrides, patch: TopicConfigPatch): TopicConfigOverrides {
  const next: { [Key in TopicConfigKey]?: number } = {};
  for (const key of TOPIC_CONFIG_KEYS) {
    const value = Object.hasOwn(patch, key) ? patch[key] : overrides[key];
    if (value !== null && value !== undefined) next[key] = value;
  }
  return next;
}

/** Every setting's value: what was set, else the default. */
export function effectiveTopicConfig(overrides: TopicConfigOverrides): TopicConfig {
  return {
    retentionMs: overrides.retentionMs ?? TOPIC_CONFIG.retentionMs.default,
    retentionBytes: overrides.retentionBytes ?? TOPIC_CONFIG.retentionBytes.default,
    segmentBytes: overrides.segmentBytes ?? TOPIC_CONFIG.segmentBytes.default,
    segmentMs: overrides.segmentMs ?? TOPIC_CONFIG.segmentMs.default,
    batchBytesMax: overrides.batchBytesMax ?? TOPIC_CONFIG.batchBytesMax.default,
  };
}
