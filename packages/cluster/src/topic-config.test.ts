import { LIMITS, MIB } from "@varve/base";
import { describe, expect, test } from "vitest";
import {
  effectiveTopicConfig,
  patchTopicConfig,
  TOPIC_CONFIG,
  TOPIC_CONFIG_KEYS,
  topicConfigProblems,
} from "./topic-config.js";

describe("topic settings", () => {
  test.each(TOPIC_CONFIG_KEYS)("%s: its limits are allowed, one beyond each is not", (key) => {
    const { min, max, default: value } = TOPIC_CONFIG[key];
    for (const allowed of [min, max, value]) expect(topicConfigProblems({ [key]: allowed })).toEqual([]);
    for (const refused of [min - 1, max + 2, min + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(topicConfigProblems({ [key]: refused }), String(refused)).toHaveLength(1);
    }
  });

  test("-1 means no bound where that makes sense", () => {
    const unbounded = TOPIC_CONFIG_KEYS.filter((key) => topicConfigProblems({ [key]: -1 }).length === 0);
    expect(unbounded).toEqual(["retentionMs", "retentionBytes"]);
  });

  test("the defaults are those that users rely on", () => {
    expect(effectiveTopicConfig({})).toEqual({
      retentionMs: 7 * 86_400_000,
      retentionBytes: -1,
      segmentBytes: 128 * MIB,
      segmentMs: 7 * 86_400_000,
      batchBytesMax: LIMITS.batchBytesMax,
    });
  });

  test("the order in which settings were given leaves no trace", () => {
    const one = patchTopicConfig({}, { segmentMs: 1_000, retentionMs: 5_000 });
    const two = patchTopicConfig(patchTopicConfig({}, { retentionMs: 5_000 }), { segmentMs: 1_000 });
    expect(JSON.stringify(one)).toBe(JSON.stringify(two));
  });

  test("an unknown setting is answered with the known ones", () => {
    expect(topicConfigProblems({ retention: 1 })[0]).toContain("retentionMs");
  });
});
