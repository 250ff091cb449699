/** consumer-chaos.test.ts: members come, go and die while brokers fail, on simulated time, by seed. */
import { VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { describe, expect, test } from "vitest";
import type { Consumer } from "../index.js";
import { fill, kill, running, sim, sleep, until } from "../testing/group-kit.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
/** Seeds per run; SEEDS=500 looks longer. */
const SEEDS = Number(process.env["SEEDS"] ?? 10);

describe(`chaos, seed ${seed}`, () => {
  test.each(Array.from({ length: SEEDS }, (_, at) => seed + at))(
    "members come, go, die, and are moved back while brokers fail: nothing is skipped, repeats lie above the committed offset, order per key is kept, seed %i",
    async (each) => {
      const prng = new Prng(each);
      const client = sim({
        prng,
        bootstrap: ["broker-1:7650", "broker-2:7650", "broker-3:7650"],
        latencyMs: () => prng.between(0, 20),
      });
      client.model.createTopic("t", 4);
      const done = new Set<string>();
      const violations: string[] = [];
      const alive = new Map<Consumer, { dead: boolean }>();
      const start = (): void => {
        const consumer = client.another().consumer({ group: "g", topics: ["t"], sessionTimeoutMs: 3_000 });
        const state = { dead: false };
        const last = new Map<string, number>();
        alive.set(consumer, state);
        consumer.on("assigned", ({ partitions }) => {
          for (const { partition } of partitions)
            for (const key of last.keys()) if (key.startsWith(`${partition}/`)) last.delete(key);
        });
        running(consumer, {
          concurrency: 3,
          handler: async ({ partition, offset, key }, { signal }) => {
            const lane = `${partition}/${key}`;
            if (state.dead) return new Promise(() => {});
            if (offset <= (last.get(lane) ?? -1)) violations.push(`order of ${lane}: ${last.get(lane)} then ${offset}`);
            last.set(lane, offset);
            await sleep(client, prng.between(0, 40));
            if (state.dead) return new Promise(() => {});
            if (!signal.aborted) done.add(`${partition}@${offset}`);
            return;
          },
        });
      };
      for (let count = 0; count < 3; count++) start();
      const endMs = client.clock.monotonicMs() + 20_000;
      while (client.clock.monotonicMs() < endMs) {
        await client.clock.runUntil(client.clock.monotonicMs() + prng.between(50, 500));
        fill(client, prng.between(0, 3), prng.between(1, 15), ["a", "b", "c"]);
        const [consumer] = [...alive.keys()].sort(() => prng.ratio() - 0.5);
        const address = prng.pick(client.addresses);
        const action = prng.between(0, 15);
        if (action === 0 && alive.size < 5) start();
        else if (action === 1 && consumer !== undefined && alive.size > 1) {
          (alive.get(consumer) ?? { dead: false }).dead = true;
          alive.delete(consumer);
          kill(consumer);
        } else if (action === 2 && consumer !== undefined && alive.size > 1) {
          alive.delete(consumer);
          consumer.close().catch((error: unknown) => violations.push(String(error)));
        } else if (action === 3) client.network.breakConnections(address);
        else if (action === 4) {
          client.network.silence(address);
          client.clock.setTimer(prng.between(500, 4_000), () => client.network.resume(address));
        } else if (action === 5)
          client.groups.breakSessions(new VarveError("COORDINATOR_LOADING", { message: "loading" }));
        else if (action === 6) {
          const [member] = client.groups.members("g");
          if (member !== undefined) client.groups.fence("g", member);
        } else if (action === 7) client.model.partition("t", prng.between(0, 3)).moveTo(prng.between(1, 3));
        else if (action === 8) {
          const partition = prng.between(0, 3);
          const offset = prng.between(0, Math.max(0, client.groups.committed("g", "t", partition)));
          client.varve.admin.seekGroup({ group: "g", topic: "t", partition, to: { offset } }).catch(() => {});
        }
        for (const { partition, offset } of client.groups.commits.splice(0)) {
          for (let below = 0; below < offset; below++) {
            if (!done.has(`${partition}@${below}`))
              violations.push(`${partition}@${below} was skipped: committed ${offset}`);
          }
        }
        expect(violations).toEqual([]);
      }
      const isThrough = (): boolean =>
        [0, 1, 2, 3].every(
          (at) => client.groups.committed("g", "t", at) === client.model.partition("t", at).nextOffset,
        );
      await until(client, isThrough, 60_000);
      expect(violations).toEqual([]);
    },
  );
});
