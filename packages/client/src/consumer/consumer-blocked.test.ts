/** consumer-blocked.test.ts: members whose handlers keep the event loop, and members that nobody coordinates, on simulated time. */
import { describe, expect, test } from "vitest";
import { block, fill, range, running, sim, until } from "../testing/group-kit.js";

const SESSION_MS = 6_000;
const BLOCK_MS = 20_000;

/** A group of one, whose handler blocks the loop at every record and is taken for dead meanwhile. */
function blocked() {
  const client = sim();
  client.model.createTopic("t", 1);
  const consumer = client.varve.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: SESSION_MS });
  const losses: string[] = [];
  consumer.on("lost", ({ error }) => losses.push(error.code));
  const seen: number[] = [];
  running(consumer, {
    handler: ({ offset }) => {
      seen.push(offset);
      block(client, BLOCK_MS);
      const [member] = client.groups.members("g");
      if (member !== undefined) client.groups.fence("g", member);
    },
  });
  return { client, consumer, losses, seen };
}

describe("a handler that blocks the event loop", () => {
  test("for longer than the session timeout at every record gets through all of them: what it finished counts", async () => {
    const { client, consumer, losses, seen } = blocked();
    await until(client, () => consumer.assigned.length === 1);
    fill(client, 0, 5);
    await until(client, () => client.groups.committed("g", "t", 0) === 5, 300_000);
    expect(seen).toEqual(range(0, 5));
    expect(losses.length).toBeGreaterThanOrEqual(4);
  });

  test("goes on where the group was moved to meanwhile, whatever it had finished", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], sessionTimeoutMs: SESSION_MS });
    const seen: number[] = [];
    running(consumer, {
      handler: ({ offset }) => {
        seen.push(offset);
        if (seen.length !== 4) return;
        block(client, BLOCK_MS);
        client.groups.fence("g", client.groups.members("g")[0] ?? "");
        client
          .another()
          .admin.seekGroup({ group: "g", topic: "t", partition: 0, to: { offset: 2 } })
          .catch(() => {});
      },
    });
    await until(client, () => client.groups.committed("g", "t", 0) === 0);
    fill(client, 0, 5);
    await until(client, () => client.groups.committed("g", "t", 0) === 5);
    expect(seen).toEqual([0, 1, 2, 3, 2, 3, 4]);
  });
});

describe("a group that nobody coordinates", () => {
  test("is said to stand still, also by a member that never came to join, until somebody does", async () => {
    const client = sim();
    client.model.createTopic("t", 1);
    fill(client, 0, 5);
    for (const address of client.addresses) client.network.stop(address);
    const consumer = client.varve.consumer({ group: "g", topics: ["t"], stallTimeoutMs: 40_000 });
    const stalled: object[] = [];
    consumer.on("stalled", (event) => stalled.push(event));
    const state = running(consumer);
    await client.clock.runUntil(client.clock.monotonicMs() + 100_000);
    expect(stalled).toEqual([
      expect.objectContaining({
        topic: null,
        partition: null,
        reason: expect.stringMatching(/^the group's coordinator has not answered for 4\d\.\d s: /),
      }),
      expect.objectContaining({
        reason: expect.stringMatching(/^the group's coordinator has not answered for 8\d\.\d s: /),
      }),
    ]);
    for (const address of client.addresses) client.start(address);
    await until(client, () => state.records.length === 5, 10_000);
    await client.clock.runUntil(client.clock.monotonicMs() + 100_000);
    expect(stalled).toHaveLength(2);
  });
});
