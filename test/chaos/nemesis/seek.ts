/** seek.ts: a group is moved back while it works, to the beginning or to a point that it has passed. */
import { Proc } from "../recorder.js";
import type { Fault } from "./fault.js";

const SEEK_MS = 10_000;
const BACK_RECORDS_MAX = 200;

export const seek: Fault = {
  name: "seek",
  does: "a group is moved back by up to 200 records in one partition while its members work",
  needsGroups: true,
  run: async ({ groups, varve, topic, prng, recorder, struck }) => {
    const group = prng.pick(groups?.groups ?? []);
    const signal = AbortSignal.timeout(SEEK_MS);
    const committed = await varve.admin.describeGroup(group, { signal }).then(
      ({ offsets }) => offsets.filter((one) => one.topic === topic && one.committed !== null),
      () => [],
    );
    if (committed.length === 0) return;
    const { partition, committed: at } = prng.pick(committed);
    const offset = Math.max(0, (at ?? 0) - prng.between(0, BACK_RECORDS_MAX));
    struck(`${group} in partition ${partition} to ${offset}`);
    await new Proc(recorder, `seeker-${recorder.count}`).operate(
      "seek",
      { group, topic, partition },
      () => varve.admin.seekGroup({ group, topic, partition, to: { offset } }, { signal }),
      ({ offsets }) => ({ offsets }),
    );
  },
};
