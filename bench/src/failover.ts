/** failover.ts: how long a partition takes no records when its leader is killed with -9. */
import { Varve } from "@varve/client";
import type { LocalBrokers } from "varve";

const SEND_EVERY_MS = 5;
const SETTLE_MS = 1_000;
const TOPIC = "failover";
const PARTITIONS = 6;

/** Gaps of acknowledgements, milliseconds: one per kill, the longest among the partitions that the victim led. */
export async function failoverGaps(brokers: LocalBrokers, kills: number): Promise<number[]> {
  const varve = new Varve({ bootstrap: brokers.bootstrap.split(",") });
  const gaps: number[] = [];
  try {
    await varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, ifNotExists: true });
    const producer = varve.producer({ lingerMs: 0 });
    for (let kill = 0; kill < kills; kill++) {
      await wait(SETTLE_MS);
      const { partitions } = await varve.admin.describeTopic(TOPIC);
      const victim = partitions[kill % PARTITIONS]?.leader ?? 1;
      const led = partitions.filter(({ leader }) => leader === victim).map(({ partition }) => partition);
      const first = new Map<number, number>();
      let stopped = false;
      const sending = (async () => {
        for (let at = 0; !stopped; at++) {
          for (const partition of led) {
            const sentMs = performance.now();
            producer
              .send({ topic: TOPIC, partition, value: String(at) })
              .then(() => {
                if (sentMs >= killedMs && !first.has(partition)) first.set(partition, performance.now());
              })
              .catch(() => {});
          }
          await wait(SEND_EVERY_MS);
        }
      })();
      let killedMs = Number.POSITIVE_INFINITY;
      await wait(200);
      killedMs = performance.now();
      brokers.kill(victim);
      while (first.size < led.length && performance.now() - killedMs < 30_000) await wait(SEND_EVERY_MS);
      gaps.push(Math.max(...led.map((partition) => (first.get(partition) ?? Number.POSITIVE_INFINITY) - killedMs)));
      stopped = true;
      await sending;
      await brokers.restart(victim);
    }
    await producer.close();
  } finally {
    await varve.close();
  }
  return gaps;
}

function wait(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
