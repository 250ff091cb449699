/** settings.test.ts: what a trigger may say, and that all its mistakes are told at once. */
import { expect, test } from "vitest";
import { scalerSettings } from "./settings.js";

const DEFAULTS = {
  group: "billing",
  topic: null,
  lagSeconds: 30,
  activationLagSeconds: 0,
  startFrom: "earliest",
  limitToPartitionsWithLag: true,
};

test("a group alone has defaults for the rest, and KEDA's own entries are left alone", () => {
  expect(scalerSettings({ group: "billing", scalerAddress: "varve:7650", enableTLS: "true" })).toEqual(DEFAULTS);
});

test("everything can be chosen, from the environment of the scaled container too", () => {
  const metadata = {
    groupFromEnv: "billing",
    topic: "orders",
    lagSeconds: "5",
    activationLagSeconds: "60",
    startFrom: "latest",
    limitToPartitionsWithLag: "false",
  };
  expect(scalerSettings(metadata)).toEqual({
    group: "billing",
    topic: "orders",
    lagSeconds: 5,
    activationLagSeconds: 60,
    startFrom: "latest",
    limitToPartitionsWithLag: false,
  });
});

test.each([
  { why: "no group", metadata: {}, said: /group is missing/ },
  { why: "an empty group", metadata: { group: "" }, said: /group: ""/ },
  { why: "a topic that no topic can be called", metadata: { topic: "a/b" }, said: /topic: "a\/b"/ },
  { why: "a misspelt option", metadata: { lagSecond: "3" }, said: /lagSecond is unknown; there are group, topic, lag/ },
  { why: "a target of nothing", metadata: { lagSeconds: "0" }, said: /lagSeconds: "0" is not a whole number from 1/ },
  { why: "a fraction", metadata: { lagSeconds: "1.5" }, said: /lagSeconds: "1.5"/ },
  { why: "more than a week", metadata: { activationLagSeconds: "604801" }, said: /to 604800/ },
  { why: "a start that is none", metadata: { startFrom: "now" }, said: /startFrom: "now" is not earliest or latest/ },
  { why: "no truth value", metadata: { limitToPartitionsWithLag: "yes" }, said: /is not true or false/ },
])("$why is refused", ({ metadata, said }) => {
  const whole = "group" in metadata || said.source.startsWith("group") ? metadata : { group: "billing", ...metadata };
  expect(() => scalerSettings(whole)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", effect: "NONE" }));
  expect(() => scalerSettings(whole)).toThrow(said);
});

test("all problems are told together", () => {
  const wrong = { lagSeconds: "x", startFrom: "y", colour: "z" };
  expect(() => scalerSettings(wrong)).toThrow(/group is missing.*colour is unknown.*lagSeconds.*startFrom/s);
});
