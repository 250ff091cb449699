/**
 * producers.ts: programs that send records through the shipped SDK, at every level of acknowledgement, and tell the checks what they were told.
 */
import { delay, isVarveError } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { Checks } from "./checks.js";
import type { ClientProcess } from "./client-process.js";
import { hold } from "./violation.js";

export type Acks = "quorum" | "leader" | "none";

/** Where a producer sends to. */
export interface Target {
  readonly topic: string;
  /** The topic's id; null: not known, or one of its name was deleted: then an answer cannot be placed. */
  readonly topicId: () => string | null;
}

export interface ProducerOptions {
  readonly process: ClientProcess;
  readonly name: string;
  readonly acks: Acks;
  readonly batchBytes: number;
  readonly valueBytesMax: number;
  readonly checks: Checks;
  /** How long a record is tried, milliseconds. */
  readonly deliveryTimeoutMs: number;
}

const GAP_MS_MAX = 40;
const KEYS = 20;

export class SimProducer {
  readonly acks: Acks;
  sent = 0;
  acked = 0;
  /** Sends that are not settled. */
  open = 0;
  private readonly options: ProducerOptions;
  private readonly producer: ReturnType<ClientProcess["varve"]["producer"]>;

  constructor(options: ProducerOptions) {
    const { process, acks, batchBytes, deliveryTimeoutMs } = options;
    this.options = options;
    this.acks = acks;
    this.producer = process.varve.producer({ acks, batchBytes, lingerMs: 2, deliveryTimeoutMs });
  }

  /** Sends `count` records, one after another with pauses, without waiting for their answers. */
  async burst(target: Target, count: number, prng: Prng): Promise<void> {
    for (let at = 0; at < count; at++) {
      this.send(target, `k${prng.between(0, KEYS)}`, prng);
      await delay(this.options.process.clock, prng.ratio() * GAP_MS_MAX);
    }
  }

  /** Sends to one partition until a record is acknowledged. */
  async mustReach(
    { topic, topicId, partition }: { readonly topic: string; readonly topicId: string; readonly partition: number },
    retryMs: number,
  ): Promise<void> {
    const { checks, name, process } = this.options;
    for (;;) {
      const value = `${name}:${this.sent++}`;
      try {
        const { offset } = await this.producer.send({ topic, partition, value });
        checks.note(() => checks.answers.onAcked(value, { topicId, partition, offset }));
        return;
      } catch (error) {
        if (!isVarveError(error)) throw error;
        await delay(process.clock, retryMs);
      }
    }
  }

  close(): Promise<void> {
    return this.producer.close();
  }

  private send({ topic, topicId }: Target, key: string, prng: Prng): void {
    const { checks, name, valueBytesMax } = this.options;
    const value = `${name}:${this.sent++}`;
    this.open++;
    this.producer
      .send({ topic, key, value: `${value} ${"x".repeat(prng.between(0, valueBytesMax))}` })
      .then(({ partition, offset }) => {
        const id = topicId();
        this.acked++;
        if (this.acks === "quorum" && id !== null)
          checks.note(() => checks.answers.onAcked(value, { topicId: id, partition, offset }));
      })
      .catch((error: unknown) => {
        if (!isVarveError(error)) checks.fail(error);
        else if (this.acks === "quorum" && error.code === "OUT_OF_ORDER_SEQUENCE")
          checks.note(() =>
            hold("I2", false, () => `${value} is refused although nothing is missing: ${error.message}`),
          );
        else if (error.effect === "NOT_APPLIED") checks.note(() => checks.answers.onRefused(value));
      })
      .finally(() => {
        this.open--;
      });
  }
}
