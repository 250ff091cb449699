/**
 * volume-lost.ts: 5.4: a broker's claim and volume are deleted. The broker on the new, empty volume is refused until `varve broker replace` says that the
 * old data is gone; then its replicas are made anew. As runbooks/replace-broker.md tells.
 */
import { hasStarted } from "../cluster/objects.js";
import { until } from "../cluster/runner.js";
import { READY_MS } from "../cluster/varve-cluster.js";
import { type Context, expect, type Scenario } from "./scenario.js";

const TRIES = 3;
const TRY_MS = 60_000;
const EMPTY_MS = 45_000;
const REPLICATED_MS = 600_000;

export const volumeLost: Scenario = {
  id: "5.4",
  name: "volume-lost",
  title: "a volume is deleted, the broker replaced",
  run: async (context) => {
    const { cluster, step, victim, note, world } = context;
    const ordinal = await victim();
    const complaints = new Set<string>();
    await step("volume lost, broker replaced", `broker ${ordinal + 1}`, async () => {
      await loseVolume(context, ordinal);
      await until(world, "a broker on the new volume", READY_MS, async () => {
        return hasStarted(await cluster.pod(ordinal)) || "its container has not started";
      });
      // Time enough for the broker to start on the empty volume, and to be served if it were taken for what it was.
      await world.pause(EMPTY_MS);
      const said = await cluster.health();
      expect(said !== true, "a broker without its data is not noticed");
      await cluster.varve(["broker", "replace", String(ordinal + 1)]);
      const beganMs = world.nowMs();
      await until(world, "full replication", REPLICATED_MS, async () => {
        const health = await cluster.health();
        if (health !== true) complaints.add(health);
        return health;
      });
      note(`replication restored ${((world.nowMs() - beganMs) / 1_000).toFixed(0)} s after the command`);
    });
    expect(complaints.size > 0, "no progress could be seen while replicas were made anew");
    note(`varve cluster health told ${complaints.size} different states on the way`);
  },
};

/** Claim, volume and pod go; a new claim is bound. */
async function loseVolume({ cluster, kubectl, world }: Context, ordinal: number): Promise<void> {
  const name = cluster.podName(ordinal);
  const claim = `data-${name}`;
  const old = await kubectl.claim(claim);
  const { metadata } = await cluster.pod(ordinal);
  await kubectl.run(["delete", "pvc", claim, "--wait=false"]);
  await kubectl.run(["delete", "pod", name, "--grace-period=0", "--force"]);
  if (old.spec.volumeName !== undefined)
    await kubectl.run(["delete", "pv", old.spec.volumeName, "--wait=false", "--ignore-not-found"]);
  await cluster.whenReplaced(name, metadata.uid, READY_MS);
  for (let attempt = 1; ; attempt++) {
    const isNew = await until(world, "a new claim", TRY_MS, async () => {
      const { uid, deletionTimestamp } = (await kubectl.claim(claim)).metadata;
      return (uid !== old.metadata.uid && deletionTimestamp === undefined) || "it is still the old one";
    }).then(
      () => true,
      (error: unknown) => {
        if (attempt === TRIES) throw error;
        return false;
      },
    );
    if (isNew) return;
    // A pod that was made before the old claim was gone waits for it for ever.
    await kubectl.run(["delete", "pod", name, "--grace-period=0", "--force"]);
  }
}
