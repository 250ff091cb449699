/**
 * preload.ts: breaks the broker of this process as its environment says, before the broker's own code runs. Loaded by `node --import`.
 *
 * It prints a line to the broker's log, and ends the process when it does not know the variant: a control that breaks nothing proves nothing.
 */
import { isMainThread } from "node:worker_threads";
import { Coordinator, Partition, Replica } from "@varve/broker/testing";
import { ProducerTable } from "@varve/storage";
import { commitWithoutFence } from "../../sim/breakages.js";
import { BROKEN_VARIABLE } from "./variants.js";

/** By variant: what makes a broker so. */
const BREAK: Readonly<Record<string, () => void>> = {
  "ack-before-quorum": acknowledgeBeforeQuorum,
  "dedup-lost": loseDuplicates,
  "stale-reads": readWithoutQuorum,
  "commit-without-fence": commitUnfenced,
};

/** Whoever waits for a majority is answered when the leader alone has it, and told that a majority does. */
function acknowledgeBeforeQuorum(): void {
  const { produce } = Partition.prototype;
  Partition.prototype.produce = async function (request) {
    if (request.acks !== "quorum") return produce.call(this, request);
    const result = await produce.call(this, { ...request, acks: "leader" });
    return { ...result, committed: true };
  };
}

/** What was appended before is not known again. */
function loseDuplicates(): void {
  const { verdict } = ProducerTable.prototype;
  ProducerTable.prototype.verdict = function (stamp) {
    const given = verdict.call(this, stamp);
    return given.kind === "duplicate" ? { kind: "append" } : given;
  };
}

/** Who believes that it leads answers at once. */
function readWithoutQuorum(): void {
  Replica.prototype.readIndex = async function () {
    return this.isLeader() ? 0 : null;
  };
}

/** As in the simulator, for each coordinator that a process has. */
function commitUnfenced(): void {
  const { commit } = Coordinator.prototype;
  const broken = new WeakSet<Coordinator>();
  Coordinator.prototype.commit = function (request) {
    if (broken.has(this)) return commit.call(this, request);
    broken.add(this);
    commitWithoutFence(this);
    return this.commit(request);
  };
}

const names = (process.env[BROKEN_VARIABLE] ?? "").split(",");
// Threads of a broker inherit the options of its process; what is broken is not in them.
if (isMainThread) {
  for (const name of names) {
    const breakIt = BREAK[name];
    if (breakIt === undefined) throw new Error(`${BROKEN_VARIABLE} names no broken variant: ${name}`);
    breakIt();
  }
  process.stdout.write(`this broker is broken on purpose: ${names.join(", ")}\n`);
}
