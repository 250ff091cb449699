/** waiting-sends.test.ts: the queue of waiting sends agrees with a plain list, whatever is taken, aborted or over. */
import { VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { WaitingSends } from "./waiting-sends.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const record = { timestampMs: 0, key: null, value: null, headers: [], partition: null, bufferedBytes: 1 };

test(`taken in order, each settled once (SEED=${seed})`, async () => {
  const prng = new Prng(seed);
  for (let round = 0; round < 20; round++) {
    const dropped: string[] = [];
    const queue = new WaitingSends(({ topic }) => dropped.push(topic));
    const aborts = new Map<string, AbortController>();
    let model: { readonly name: string; readonly deadlineAtMs: number }[] = [];
    const expected: string[] = [];
    for (let step = 0; step < 4_000; step++) {
      const [first] = model;
      const action = prng.between(0, 9);
      if (action < 5) {
        const name = `${step}`;
        const controller = new AbortController();
        aborts.set(name, controller);
        model.push({ name, deadlineAtMs: step });
        queue.add(name, record, { deadlineAtMs: step, round: 0, signal: controller.signal }).catch(() => {});
      } else if (action < 7 && first !== undefined) {
        const send = queue.peek();
        expect(send?.topic).toBe(first.name);
        if (send !== null) queue.shift(send);
        model.shift();
      } else if (action < 9 && first !== undefined) {
        const { name } = prng.pick(model);
        aborts.get(name)?.abort();
        model = model.filter((each) => each.name !== name);
        expected.push(name);
      } else if (prng.chance(0.02)) {
        const nowMs = step - prng.between(0, 500);
        queue.expire(nowMs, () => new VarveError("TIMEOUT", { message: "for this test" }));
        expected.push(...model.filter(({ deadlineAtMs }) => deadlineAtMs <= nowMs).map(({ name }) => name));
        model = model.filter(({ deadlineAtMs }) => deadlineAtMs > nowMs);
      }
      expect(queue.size).toBe(model.length);
    }
    expect(dropped).toEqual(expected);
  }
});
