/**
 * member-session.ts: one member's stream: hands on what it says, and speaks by itself when there is news for it.
 *
 * An adapter over heartbeats (KIP-848): what the member says is a heartbeat; when the coordinator has news, one is asked in the member's
 * name, which neither keeps its session alive nor confirms anything, and the answer is pushed.
 * Invariants:
 *   N1  heartbeats of a stream are asked one after another
 *   N2  a push is not followed by another before the member has spoken, so that it is never more than one view behind
 *   N3  what ends the member (fenced, unknown) ends the stream; what is only for now does not, unless the member waits for an answer
 */
import {
  type Clock,
  delay,
  LIMITS,
  onAbort,
  type Random,
  randomUuid,
  toVarveError,
  type VarveError,
} from "@varve/base";
import { AWAY_EPOCH, type Heartbeat, type HeartbeatAnswer, LEAVE_EPOCH, TIMEOUT_MS_MAX } from "@varve/groups";
import {
  type AssignedPartition,
  type Init,
  type ServerStream,
  type SessionRequest,
  type SessionResponse,
  StartFrom,
} from "@varve/rpc";
import type { CallContext } from "../routing/router.js";
import { type GroupApi, groupError } from "./group-api.js";
import { invalidArgument } from "./requests.js";

export interface MemberSessionOptions {
  readonly api: GroupApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly peer: string;
  readonly signal: AbortSignal;
}

type Stream = ServerStream<SessionRequest, SessionResponse>;

/** What members are asked to keep to, milliseconds. */
const HEARTBEAT_INTERVAL_MS = 2_000;
/** How long a member's message may take before its stream ends with the reason, milliseconds. */
const ANSWER_MS = 8_000;
const WATCH_MS = 10_000;
const WATCH_RETRY_MS = 200;
const CLIENT_ID_BYTES_MAX = 256;

export class MemberSession {
  private readonly options: MemberSessionOptions;
  private readonly stream: Stream;
  private readonly ended = new AbortController();
  private readonly memberId: string;
  /** What the member said last, at the epoch that it was told last; null before the first answer. */
  private spoken: Heartbeat | null = null;
  private turn: Promise<unknown> = Promise.resolve();
  private wakeWatch: () => void = () => {};

  constructor(stream: Stream, options: MemberSessionOptions) {
    this.stream = stream;
    this.options = options;
    this.memberId = randomUuid(options.random);
  }

  /** Resolves when the member has left or gone. @throws VarveError: why it is no member, or cannot be served here now. */
  async run(): Promise<void> {
    const end = (): void => this.ended.abort();
    const forget = onAbort(this.options.signal, end);
    try {
      await Promise.race([this.listen(), this.watch()]);
    } finally {
      forget();
      end();
      this.wakeWatch();
    }
  }

  private async listen(): Promise<void> {
    for await (const message of this.stream.requests) {
      const hasLeft = await this.inTurn(() => this.hear(message));
      if (hasLeft) return;
    }
  }

  private async hear(message: SessionRequest): Promise<boolean> {
    const request = this.heartbeatOf(message);
    const answer = await this.ask(request, true);
    await this.stream.write({ ...response(answer), sequence: message.sequence });
    if (answer.memberEpoch === LEAVE_EPOCH || answer.memberEpoch === AWAY_EPOCH) return true;
    this.spoken = { ...request, memberEpoch: answer.memberEpoch, owned: null };
    this.wakeWatch();
    return false;
  }

  /** Pushes news until the stream ends. */
  private async watch(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      const { spoken } = this;
      if (spoken === null) {
        await this.untilSpoken();
        continue;
      }
      const hasNews = await this.options.api.awaitChange(spoken, WATCH_MS, this.context(WATCH_MS + ANSWER_MS)).then(
        () => true,
        () => false,
      );
      if (signal.aborted) return;
      const hasPushed = hasNews && (await this.inTurn(() => this.push(spoken)));
      if (hasPushed)
        await this.untilSpoken(); // N2
      else if (!hasNews) await delay(this.options.clock, WATCH_RETRY_MS, signal).catch(() => {});
    }
  }

  private async push(spoken: Heartbeat): Promise<boolean> {
    if (this.spoken !== spoken) return false;
    let answer: HeartbeatAnswer;
    try {
      answer = await this.ask(spoken, false);
    } catch (thrown) {
      const error = toVarveError(thrown);
      if (endsMember(error)) throw error; // N3
      return false;
    }
    if (answer.memberEpoch === spoken.memberEpoch) return false;
    this.spoken = { ...spoken, memberEpoch: answer.memberEpoch };
    await this.stream.write({ ...response(answer), sequence: 0 });
    return true;
  }

  private ask(request: Heartbeat, isAlive: boolean): Promise<HeartbeatAnswer> {
    return this.options.api.heartbeat(request, isAlive, this.context(ANSWER_MS)).catch((thrown: unknown) => {
      throw groupError(thrown, request.group);
    });
  }

  private untilSpoken(): Promise<void> {
    if (this.ended.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.wakeWatch = resolve;
    });
  }

  /** N1. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => {});
    return result;
  }

  private context(waitMs: number): CallContext {
    return {
      deadlineAtMs: this.options.clock.monotonicMs() + waitMs,
      signal: this.ended.signal,
      forwarded: false,
    };
  }

  private heartbeatOf(message: SessionRequest): Heartbeat {
    const { group, memberEpoch, staticId, clientId, topics } = message;
    if (Buffer.byteLength(clientId) > CLIENT_ID_BYTES_MAX)
      throw invalidArgument(
        `client_id has ${Buffer.byteLength(clientId)} bytes, at most ${CLIENT_ID_BYTES_MAX} are allowed`,
      );
    return {
      group,
      memberId: message.memberId === "" ? this.memberId : message.memberId,
      memberEpoch,
      staticId: staticId === "" ? null : staticId,
      clientId,
      host: this.options.peer,
      sessionTimeoutMs: message.sessionTimeoutMs === 0 ? LIMITS.sessionTimeoutMs : message.sessionTimeoutMs,
      // A handler may take any time as long as its member lives: giving up a partition has no deadline of its own.
      rebalanceTimeoutMs: TIMEOUT_MS_MAX,
      topics,
      owned: message.owned,
      startFrom: message.startFrom === StartFrom.LATEST ? "latest" : "earliest",
    };
  }
}

function response(answer: HeartbeatAnswer): Init<SessionResponse> {
  const { memberId, memberEpoch, missingTopics } = answer;
  const assigned = (answer.assignment ?? []).flatMap(({ topic, topicId, partitions }) =>
    partitions.map(
      ({ partition, epoch, startOffset, startFrom }): AssignedPartition => ({
        topic,
        topicId,
        partition,
        assignmentEpoch: epoch,
        startOffset: startOffset ?? -1,
        startFrom: startFrom === "latest" ? StartFrom.LATEST : StartFrom.EARLIEST,
      }),
    ),
  );
  return { memberId, memberEpoch, assigned, missingTopics, heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS };
}

function endsMember({ code }: VarveError): boolean {
  return code === "UNKNOWN_MEMBER" || code === "FENCED_MEMBER" || code === "FENCED_INSTANCE";
}
