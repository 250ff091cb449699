/**
 * producer.ts: an idempotent producer of one group, and what it learned about each value it sent.
 *
 * A value goes out until its fate is known, or until it is given up. A sequence number is used again only when every attempt with it
 * was answered NOT_APPLIED; after an unknown fate a producer that gives up goes on under a new id.
 */
import { type Clock, delay, type Effect, isVarveError } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { ProduceResult } from "@varve/broker/testing";
import { encodeBatch } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import type { SimNode, World } from "./sim-node.js";

/** How often each answer came. */
export interface ProducerCounts {
  attempts: number;
  acked: number;
  notApplied: number;
  unknown: number;
}

type Answer = { readonly kind: "acked"; readonly result: ProduceResult } | { readonly kind: Effect };

const ATTEMPT_MS = 1_500;
const RETRY_MS_MAX = 60;
const HOP_MS_MAX = 2;
const RESPONSE_LOSS = 0.01;
const GIVE_UP = 0.05;
const RECORDS_MAX = 4;

export class Producer {
  readonly counts: ProducerCounts = { attempts: 0, acked: 0, notApplied: 0, unknown: 0 };
  private readonly world: World;
  private readonly nodes: readonly SimNode[];
  private readonly groupId: number;
  private readonly name: string;
  private readonly prng: Prng;
  private readonly clock: Clock;
  private readonly nextProducerId: () => number;
  private producerId: number;
  private sequence = 0;
  private valueCount = 0;
  private target: SimNode;
  private isStopped = false;

  constructor(world: World, nodes: readonly SimNode[], groupId: number, nextProducerId: () => number) {
    this.world = world;
    this.nodes = nodes;
    this.groupId = groupId;
    this.clock = world.clock;
    this.prng = world.prng.fork();
    this.nextProducerId = nextProducerId;
    this.producerId = nextProducerId();
    this.name = `g${groupId}p${this.producerId}`;
    this.target = this.prng.pick(nodes);
  }

  /** Sends no new value; the last one still gets its answer, or is given up. */
  stop(): void {
    this.isStopped = true;
  }

  /** Produces until `stop`. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      await delay(this.clock, this.prng.ratio() * this.world.plan.thinkMsMax);
      await this.produceOne();
    }
  }

  /** Sends one new value until its fate is known or it is given up. */
  private async produceOne(): Promise<void> {
    const value = `${this.name}v${this.valueCount++}`;
    const recordCount = this.prng.between(1, RECORDS_MAX);
    const batch = this.encode(value, recordCount);
    let isUncertain = false;
    for (;;) {
      const answer = await this.attempt(batch);
      this.world.trace.note(this.name, `${value} ${answer.kind}`, this.target.id);
      if (answer.kind === "acked") {
        this.acked(value, answer.result);
        this.sequence += recordCount;
        return;
      }
      if (answer.kind === "UNKNOWN") {
        isUncertain = true;
        this.counts.unknown++;
      } else this.counts.notApplied++;
      this.target = this.prng.pick(this.nodes);
      if (this.isStopped || this.prng.chance(GIVE_UP)) {
        if (isUncertain) this.startOver();
        else this.world.checks.run(() => this.world.checks.acknowledgements.onRefused(this.truth(), value));
        return;
      }
      await delay(this.clock, this.prng.ratio() * RETRY_MS_MAX);
    }
  }

  private truth(): ReturnType<World["checks"]["truth"]> {
    return this.world.checks.truth(this.groupId);
  }

  private acked(value: string, { baseOffset, epoch }: ProduceResult): void {
    this.counts.acked++;
    const { checks } = this.world;
    checks.run(() => checks.acknowledgements.onAcked(this.truth(), value, baseOffset, epoch));
  }

  private startOver(): void {
    this.producerId = this.nextProducerId();
    this.sequence = 0;
  }

  private encode(value: string, recordCount: number): Uint8Array {
    const records = Array.from({ length: recordCount }, () => {
      const padding = "x".repeat(this.prng.between(0, this.world.plan.valueBytesMax));
      return { timestampMs: this.clock.wallMs(), value: Buffer.from(`${value} ${padding}`, "latin1") };
    });
    const { producerId, sequence } = this;
    return encodeBatch({ records, producerId, producerEpoch: 0, baseSequence: sequence }, nodeCodec);
  }

  /** One request and what the producer hears of it. */
  private attempt(batch: Uint8Array): Promise<Answer> {
    this.counts.attempts++;
    const node = this.target;
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(ATTEMPT_MS, () => resolve({ kind: "UNKNOWN" }));
      const isLost = this.prng.chance(RESPONSE_LOSS);
      const answer = (heard: Answer): void => {
        if (isLost) return;
        this.clock.setTimer(this.prng.ratio() * HOP_MS_MAX, () => {
          timer.cancel();
          resolve(heard);
        });
      };
      this.clock.setTimer(this.prng.ratio() * HOP_MS_MAX, () => {
        const isHeard = node.enter(this.groupId, (partition) => {
          partition
            .produce({ batch: Uint8Array.from(batch), acks: "quorum", epoch: 0, timeoutMs: ATTEMPT_MS })
            .then((result) => answer({ kind: "acked", result }))
            .catch((error: unknown) => {
              if (isVarveError(error)) answer({ kind: error.effect });
              else this.world.checks.fail(error);
            });
        });
        if (!isHeard) answer({ kind: "NOT_APPLIED" });
      });
    });
  }
}
