/**
 * topics.ts: topics that come and go beside the one that stays: created, deleted, created again under the same name.
 *
 * Checked: M1 (a topic made again never shows old data) through `readers.ts`, which compares with the log of the topic's own id, and that settings
 * are what they were set to; M2: after a deletion was answered, the topic is not described any more, unless it was made again.
 */
import { isVarveError } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { Checks } from "./checks.js";
import type { ClientProcess } from "./client-process.js";
import type { Target } from "./producers.js";
import { Violation } from "./violation.js";

const NAMES = ["t0", "t1", "t2"] as const;
/** Any bound of bytes: the machines replace it by the plan's. */
const SOME_RETENTION_BYTES = 2 ** 30;

interface Known {
  topicId: string | null;
  /** Calls under way that may change it. */
  changing: number;
  /** Calls so far that change it. */
  changes: number;
  /** One of them ended without an answer, and may yet be carried out. */
  isUncertain: boolean;
}

export class Topics {
  private readonly topics = new Map<string, Known>(
    NAMES.map((name) => [name, { topicId: null, changing: 0, changes: 0, isUncertain: false }]),
  );
  private readonly client: ClientProcess;
  private readonly checks: Checks;
  created = 0;
  deleted = 0;
  altered = 0;

  constructor(client: ClientProcess, checks: Checks) {
    this.client = client;
    this.checks = checks;
  }

  async create(prng: Prng, replicas: number): Promise<void> {
    const topic = prng.pick(NAMES);
    const partitions = prng.between(1, 2);
    await this.change(topic, async (known, isAlone) => {
      known.topicId = null;
      const config = { retentionBytes: SOME_RETENTION_BYTES };
      const made = await this.client.varve.admin.createTopic({
        topic,
        partitions,
        replicas,
        config,
        ifNotExists: true,
      });
      if (isAlone()) known.topicId = made.topicId;
      this.created++;
    });
  }

  async delete(prng: Prng): Promise<void> {
    const topic = prng.pick(NAMES);
    await this.change(topic, async (known, isAlone) => {
      known.topicId = null;
      const { admin } = this.client.varve;
      await admin.deleteTopic(topic);
      this.deleted++;
      if (!isAlone()) return;
      const found = await admin.listTopics().catch(() => []);
      if (isAlone() && found.some((each) => each.topic === topic))
        this.checks.fail(new Violation("M2", `${topic} was deleted and is listed`));
    });
  }

  /** Changes settings. Once that is answered and nothing else is under way, they are what they were set to. */
  async alter(prng: Prng): Promise<void> {
    const topic = prng.pick(NAMES);
    const retentionBytes = prng.pick([SOME_RETENTION_BYTES, SOME_RETENTION_BYTES, -1]);
    const retentionMs = prng.pick([3_600_000, 86_400_000]);
    const { admin } = this.client.varve;
    await this.change(topic, async (_known, isAlone) => {
      await admin.alterTopic({ topic, config: { retentionBytes, retentionMs } });
      this.altered++;
      const { config } = await admin.describeTopic(topic);
      if (!isAlone()) return;
      if (config.retentionBytes !== retentionBytes || config.retentionMs !== retentionMs)
        this.checks.fail(
          new Violation(
            "M1",
            `${topic} was set to ${retentionBytes}, ${retentionMs} and has ${JSON.stringify(config)}`,
          ),
        );
    });
  }

  /** One of them, whether it is there or not. */
  pick(prng: Prng): Target {
    const topic = prng.pick(NAMES);
    const topicId = this.topics.get(topic)?.topicId ?? null;
    // An answer counts only when the topic has been the same all the time.
    return { topic, topicId: () => (this.topics.get(topic)?.topicId === topicId ? topicId : null) };
  }

  private failed(known: Known, error: unknown): void {
    if (!isVarveError(error)) this.checks.fail(error);
    else if (error.effect !== "NOT_APPLIED") known.isUncertain = true;
  }

  /** `isAlone`: nothing else has changed the topic since the work began, nor may yet: what it was answered is how the topic is now. */
  private async change(topic: string, work: (known: Known, isAlone: () => boolean) => Promise<void>): Promise<void> {
    const known = this.topics.get(topic);
    if (known === undefined) return;
    const isFirst = known.changing++ === 0;
    const change = ++known.changes;
    try {
      await work(known, () => isFirst && known.changes === change && !known.isUncertain);
    } catch (error) {
      this.failed(known, error);
    } finally {
      known.changing--;
    }
  }
}
