/** methods.test.ts: which methods change something: a new one must be put on one side. */
import { expect, test } from "vitest";
import { METHODS, SCALER_METHODS } from "./methods.js";

test("the methods that change something are these, all others read", () => {
  const all = [...Object.values(METHODS), ...Object.values(SCALER_METHODS)];
  const writes = all.filter(({ reads }) => !reads).map(({ name }) => name);
  expect(writes.sort()).toEqual([
    "AddPartitions",
    "AlterTopic",
    "CommitOffsets",
    "CreateTopic",
    "DecommissionBroker",
    "DeleteGroup",
    "DeleteTopic",
    "DrainBroker",
    "FinalizeFeatureLevel",
    "InitProducer",
    "MovePartition",
    "Produce",
    "ProduceStream",
    "ReplaceBroker",
    "SeekGroup",
    "Session",
    "TransferLeadership",
  ]);
  expect(all).toHaveLength(writes.length + 17);
});
