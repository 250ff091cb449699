/** raw.ts: the public API without the SDK: what a client in another language would send, good or bad. */
import { VarveError } from "@varve/base";
import { encodeBatch, type RecordInput } from "@varve/records";
import { nodeCodec } from "@varve/records/node";
import {
  type AssignedPartition,
  GROUP_METHODS,
  type Init,
  METHODS,
  type RpcChannel,
  type SessionRequest,
  type SessionResponse,
} from "@varve/rpc";
import { createClient } from "@varve/rpc/node";
import { expect } from "vitest";

export const DEADLINE = { deadlineMs: 10_000 } as const;

export function connect(address: string | undefined): RpcChannel {
  if (address === undefined) throw new Error("the cluster has no such broker");
  return createClient(address);
}

/** A batch of text values, with producer fields when they matter. */
export function batchOf(
  values: readonly string[],
  producer: { producerId?: number; producerEpoch?: number; baseSequence?: number } = {},
): Buffer {
  const records: RecordInput[] = values.map((value) => ({ timestampMs: 1_700_000_000_000, value: Buffer.from(value) }));
  return Buffer.from(encodeBatch({ records, ...producer }, nodeCodec));
}

/** Values of a partition from an offset to its high watermark. */
export async function readAll(channel: RpcChannel, topic: string, partition: number, from = 0): Promise<string[]> {
  const values: string[] = [];
  for (let offset = from; ; ) {
    const answer = await channel.unary(
      METHODS.read,
      { topic, partition, offset, decoded: true, maxBytes: 1 << 20 },
      DEADLINE,
    );
    for (const { value } of answer.records) values.push(Buffer.from(value ?? []).toString());
    if (answer.nextOffset >= answer.highWatermark) return values;
    offset = answer.nextOffset;
  }
}

/** The VarveError that a call ends with. */
export async function failureOf(call: Promise<unknown>): Promise<VarveError> {
  const outcome = await call.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome && outcome.error instanceof VarveError) return outcome.error;
  expect.fail(`expected a VarveError, got ${JSON.stringify(outcome)}`);
}

/** A member of a group without the SDK: it speaks when it is told to, and remembers the newest answer. */
export class RawMember {
  readonly #stream: ReturnType<RpcChannel["bidi"]>;
  readonly #identity: Init<SessionRequest>;
  #answer: SessionResponse | null = null;
  #answers = 0;
  #wake: () => void = () => {};
  /** Rejects with the error that ended the session; resolves when it ended without one. */
  readonly ended: Promise<void>;

  private constructor(channel: RpcChannel, identity: Init<SessionRequest>) {
    const stream = channel.bidi(GROUP_METHODS.session, {});
    this.#stream = stream as ReturnType<RpcChannel["bidi"]>;
    this.#identity = identity;
    this.ended = (async () => {
      for await (const answer of stream.responses) {
        this.#answer = answer;
        this.#answers++;
        this.#wake();
      }
    })();
    this.ended.catch(() => {}).finally(() => this.#wake());
  }

  /** Resolves with the first answer. @throws VarveError that ended the session instead. */
  static async join(channel: RpcChannel, identity: Init<SessionRequest>): Promise<RawMember> {
    const member = new RawMember(channel, identity);
    await member.say({});
    return member;
  }

  get memberId(): string {
    return this.#answer?.memberId ?? "";
  }

  get memberEpoch(): number {
    return this.#answer?.memberEpoch ?? 0;
  }

  get assigned(): readonly AssignedPartition[] {
    return this.#answer?.assigned ?? [];
  }

  get missingTopics(): readonly string[] {
    return this.#answer?.missingTopics ?? [];
  }

  /** Says that it lives and owns what it was assigned, and waits for an answer. */
  async say(request: Init<SessionRequest>): Promise<void> {
    const before = this.#answers;
    const { memberId, memberEpoch } = this;
    const owned = this.assigned.map(({ topicId, partition }) => ({ topicId, partitions: [partition] }));
    const known = this.#answer === null ? {} : { memberId, memberEpoch };
    await this.#stream.write({ ...this.#identity, ...known, owned, ...request });
    await this.until(() => this.#answers > before, false);
  }

  /** Waits for pushed answers, and says now and then that it lives. @throws VarveError that ended the session instead. */
  async until(holds: () => boolean, speaks = true): Promise<void> {
    const untilMs = performance.now() + 20_000;
    while (!holds()) {
      if (performance.now() > untilMs) expect.fail("the member's state was not reached in 20 s");
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      let timer: NodeJS.Timeout | undefined;
      const soon = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, 300);
      });
      await Promise.race([changed, soon, this.ended.then(() => expect.fail("the session ended"))]);
      clearTimeout(timer);
      if (speaks && !holds()) await this.say({});
    }
  }

  async leave(): Promise<void> {
    await this.say({ memberEpoch: this.#identity.staticId ? -2 : -1 }).catch(() => {});
    this.#stream.end();
    await this.ended.catch(() => {});
  }
}
