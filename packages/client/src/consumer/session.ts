/**
 * session.ts: a member's stream to its group's coordinator: joins, says on a timer that it lives and what it owns, and comes back when
 * the stream breaks. It knows nothing of records; handlers cannot hold it up as long as they yield to the event loop.
 *
 * Invariants:
 *   S1  at most one stream is open; answers of an earlier one are not handed on
 *   S2  a broken stream is opened again with the same member id and epoch; only a refusal of the member makes it join as a new one,
 *       and `lost` is said before
 *   S3  the epoch that is said is that of the newest answer that was handed on
 * Shaped after KIP-848 (heartbeat carries what is owned, the server assigns).
 */
import { delay, type Logger, randomUuid, type TimerHandle, toVarveError, VarveError } from "@varve/base";
import { type ClientStream, GROUP_METHODS, type SessionRequest, type SessionResponse, StartFrom } from "@varve/rpc";
import { backoffMs } from "../cluster/backoff.js";
import type { Cluster } from "../cluster/cluster.js";
import { blamesAddress, noneSecure } from "../errors.js";
import { groupByTopic, type HeldPartition } from "./assignment.js";
import { LoopGuard } from "./loop-guard.js";

/** What a member is, for as long as it lives. */
export interface MemberIdentity {
  readonly group: string;
  readonly topics: readonly string[];
  readonly staticId: string;
  readonly clientId: string;
  readonly startFrom: "earliest" | "latest";
  readonly sessionTimeoutMs: number;
}

export interface SessionEvents {
  /** What the member owns at this moment. */
  owned(): Iterable<Pick<HeldPartition, "topicId" | "partition">>;
  /** Handlers at work, by the names of their records. */
  inWork(): Iterable<string>;
  answered(answer: SessionResponse): void;
  /**
   * The coordinator no longer knows the member: it owns nothing. It joins again by itself. `wasBlocked`: it could not say that it lived,
   * since something kept the event loop.
   */
  lost(error: VarveError, wasBlocked: boolean): void;
  /** It found no TLS connection, and did before: it tries again. Told once, until it is heard again. */
  trouble(error: VarveError): void;
  /** It is over, for a reason that trying again does not change. */
  fatal(error: VarveError): void;
}

type Stream = ClientStream<SessionRequest, SessionResponse>;

const HEARTBEAT_MAX_MS = 3_000;
/** Silence after a message until another broker is tried. */
const ANSWER_MAX_MS = 5_000;
/** Longest wait for the coordinator's goodbye. */
const LEAVE_MAX_MS = 2_000;
const LEAVE = -1;
const LEAVE_STATIC = -2;

export class GroupSession {
  /** Chosen here, anew for each life of the member: a join whose answer is lost can be asked again. */
  memberId: string;
  /** 0 before the first answer. */
  memberEpoch = 0;
  /** Why there is no answer at this moment; null: all is well. */
  trouble: VarveError | null = null;
  readonly guard: LoopGuard;
  private readonly cluster: Cluster;
  private readonly identity: MemberIdentity;
  private readonly events: SessionEvents;
  private readonly logger: Logger;
  /** The event loop was blocked for so long that the coordinator may have taken the member for dead, and was not heard since. */
  private wasBlocked = false;
  private readonly closing = new AbortController();
  private stream: { readonly stream: Stream; readonly address: string } | null = null;
  private sequence = 0;
  private failures = 0;
  private heartbeatMs: number;
  private heartbeat: TimerHandle | null = null;
  private heardAtMs: number;
  /** From when on the coordinator's silence is its own: not before the stream was opened, nor while this process could not listen. */
  private listeningSinceMs = 0;
  private waiters: { readonly sequence: number; readonly resolve: () => void }[] = [];
  private state: "new" | "open" | "leaving" | "over" = "new";
  private except: string | null = null;
  /** Why the stream was cut from here; null: it was not. */
  private silence: VarveError | null = null;

  constructor(cluster: Cluster, identity: MemberIdentity, events: SessionEvents) {
    this.cluster = cluster;
    this.identity = identity;
    this.events = events;
    this.logger = cluster.settings.logger;
    this.memberId = randomUuid(cluster.ports.random);
    this.heartbeatMs = Math.min(HEARTBEAT_MAX_MS, Math.floor(identity.sessionTimeoutMs / 4));
    this.heardAtMs = cluster.ports.clock.monotonicMs();
    this.guard = new LoopGuard(identity.sessionTimeoutMs - this.heartbeatMs);
  }

  /** Milliseconds since the coordinator was last heard. */
  get silentMs(): number {
    return this.cluster.ports.clock.monotonicMs() - this.heardAtMs;
  }

  /** Joins, and stays. */
  start(): void {
    if (this.state !== "new") return;
    this.state = "open";
    this.heardAtMs = this.cluster.ports.clock.monotonicMs();
    this.keepOpen().catch((thrown: unknown) => this.end(toVarveError(thrown)));
    this.heartbeatLater();
  }

  /** Says now what is owned. Answers the number of that message, or of the next one when no stream is open. */
  acknowledge(): number {
    if (this.stream === null || this.memberEpoch === 0) return this.sequence + 1;
    this.say(this.stream.stream, this.memberEpoch);
    return this.sequence;
  }

  /** Resolves when an answer to a message sent after this call came, or the member was lost, or it is over. */
  refresh(): Promise<void> {
    if (this.state !== "open") return Promise.resolve();
    const sequence = this.acknowledge();
    return new Promise((resolve) => this.waiters.push({ sequence, resolve }));
  }

  /** Leaves: for good, or a static member for a while. Waits a little for the coordinator to hear it. */
  async leave(): Promise<void> {
    if (this.state !== "open") return this.stop();
    this.state = "leaving";
    const { stream } = this;
    if (stream === null) return this.stop();
    const gone = new Promise<void>((resolve) => this.waiters.push({ sequence: Number.POSITIVE_INFINITY, resolve }));
    this.say(stream.stream, this.identity.staticId === "" ? LEAVE : LEAVE_STATIC);
    stream.stream.end();
    const { clock } = this.cluster.ports;
    const waited = new AbortController();
    await Promise.race([gone, delay(clock, LEAVE_MAX_MS, waited.signal).catch(() => {})]);
    waited.abort();
    this.stop();
  }

  /** Ends without a word. */
  stop(): void {
    this.state = "over";
    this.heartbeat?.cancel();
    this.closing.abort();
    this.stream?.stream.cancel();
    this.stream = null;
    this.wake(Number.POSITIVE_INFINITY);
  }

  private async keepOpen(): Promise<void> {
    const { clock, random } = this.cluster.ports;
    while (this.state === "open") {
      const address = this.cluster.pool.anyAddress(this.except);
      const error = await this.serve(address).then(
        () => new VarveError("UNREACHABLE", { message: `${address} ended the session`, effect: "NONE" }),
        (thrown: unknown) => (this.silence ?? toVarveError(thrown, "NONE")).withEffect("NONE"),
      );
      this.stream = null;
      this.silence = null;
      if (this.state !== "open") break;
      this.failures++;
      const before = this.trouble;
      this.trouble = error;
      this.noteFailure(error, address, before);
      await delay(clock, backoffMs(random, this.failures, error.retryAfterMs), this.closing.signal).catch(() => {});
    }
    this.wake(Number.POSITIVE_INFINITY);
  }

  /** One stream, from its first message to its end. */
  private async serve(address: string): Promise<void> {
    const { clock } = this.cluster.ports;
    const stream = this.cluster.pool.channel(address).bidi(GROUP_METHODS.session, { signal: this.closing.signal });
    this.stream = { stream, address };
    this.listeningSinceMs = clock.monotonicMs();
    this.say(stream, this.memberEpoch);
    for await (const answer of stream.responses) {
      if (this.stream?.stream !== stream) return; // S1
      this.heard(answer, address);
    }
  }

  private heard(answer: SessionResponse, address: string): void {
    if (this.state !== "open") return;
    this.heardAtMs = this.cluster.ports.clock.monotonicMs();
    this.failures = 0;
    this.trouble = null;
    this.wasBlocked = false;
    this.except = null;
    this.cluster.pool.succeeded(address);
    this.memberId = answer.memberId;
    this.memberEpoch = answer.memberEpoch; // S3
    const wishMs = answer.heartbeatIntervalMs > 0 ? answer.heartbeatIntervalMs : HEARTBEAT_MAX_MS;
    const nextMs = Math.max(10, Math.min(wishMs, Math.floor(this.identity.sessionTimeoutMs / 4)));
    if (nextMs !== this.heartbeatMs) {
      this.heartbeatMs = nextMs;
      this.heartbeatLater();
    }
    this.events.answered(answer);
    this.wake(answer.sequence);
  }

  private noteFailure(error: VarveError, address: string, before: VarveError | null): void {
    this.logger.debug({ group: this.identity.group, address, code: error.code }, "session interrupted");
    if (isFatal(error)) {
      this.end(error);
      return;
    }
    if (!isRefusalOfMember(error)) {
      if (error.code === "TLS_FAILED" && this.cluster.pool.noneSecure(address)) {
        this.end(noneSecure(`group ${this.identity.group}`, error, "NONE"));
        return;
      }
      if (error.code === "TLS_FAILED" && before?.code !== "TLS_FAILED") this.events.trouble(error);
      if (blamesAddress(error) && error.code !== "SHUTTING_DOWN") this.cluster.pool.failed(address, error.code);
      this.except = address; // Whatever is wrong there may be right elsewhere.
      return;
    }
    this.memberId = randomUuid(this.cluster.ports.random);
    this.memberEpoch = 0;
    this.failures = 1;
    const wasBlocked = this.wasBlocked || this.guard.isBlocked(this.cluster.ports.clock.monotonicMs());
    this.events.lost(error, wasBlocked); // S2
    this.wake(Number.POSITIVE_INFINITY);
  }

  private end(error: VarveError): void {
    if (this.state === "over") return;
    this.stop();
    this.events.fatal(error);
  }

  private say(stream: Stream, memberEpoch: number): void {
    const { group, staticId, clientId, sessionTimeoutMs, topics, startFrom } = this.identity;
    const request = {
      group,
      memberId: this.memberId,
      memberEpoch,
      staticId,
      clientId,
      sessionTimeoutMs,
      topics,
      owned: groupByTopic(this.events.owned()),
      startFrom: startFrom === "latest" ? StartFrom.LATEST : StartFrom.EARLIEST,
      sequence: ++this.sequence,
    };
    stream.write(request).catch(() => {}); // The reading side reports how the stream ended.
  }

  private heartbeatLater(): void {
    const { clock } = this.cluster.ports;
    this.heartbeat?.cancel();
    this.guard.expect(clock.monotonicMs() + this.heartbeatMs, this.events.inWork());
    this.heartbeat = clock.setTimer(this.heartbeatMs, () => this.beat());
  }

  private beat(): void {
    if (this.state !== "open") return;
    const nowMs = this.cluster.ports.clock.monotonicMs();
    // In that time nobody here could have heard anything; answers may wait to be read.
    this.listeningSinceMs = Math.max(this.listeningSinceMs, this.heardAtMs) + this.guard.lateMs(nowMs);
    const blocked = this.guard.fired(nowMs);
    if (blocked !== null) {
      this.wasBlocked = true;
      const blockedMs = Math.round(blocked.blockedMs);
      const { suspects } = blocked;
      const { group, sessionTimeoutMs } = this.identity;
      this.logger.warn(
        { group, blockedMs, sessionTimeoutMs, records: suspects },
        `the event loop was blocked for ${blockedMs} ms, longer than the session timeout; handlers of these records were at work: ` +
          `${suspects.join(", ") || "none"}; give long computations to a worker thread`,
      );
    }
    const { stream } = this;
    if (stream !== null) {
      const sinceMs = nowMs - Math.max(this.heardAtMs, this.listeningSinceMs);
      if (sinceMs > this.answerMaxMs() + this.heartbeatMs) this.cut(stream.stream, stream.address, sinceMs);
      else if (this.memberEpoch !== 0) this.acknowledge();
    }
    this.heartbeatLater();
  }

  /** A paused broker keeps its connection and says nothing. */
  private cut(stream: Stream, address: string, silentMs: number): void {
    this.silence = new VarveError("TIMEOUT", {
      message: `${address} has said nothing for ${Math.round(silentMs)} ms; it may be frozen or cut off; trying another broker`,
      effect: "NONE",
    });
    this.cluster.pool.failed(address, "TIMEOUT");
    this.except = address;
    stream.cancel();
  }

  private answerMaxMs(): number {
    return Math.min(ANSWER_MAX_MS, Math.floor(this.identity.sessionTimeoutMs / 3));
  }

  private wake(sequence: number): void {
    const due = this.waiters.filter((waiter) => waiter.sequence <= sequence);
    if (due.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => waiter.sequence > sequence);
    for (const { resolve } of due) resolve();
  }
}

/** The coordinator does not take the member for one of the group's any more. */
export function isRefusalOfMember({ code }: VarveError): boolean {
  return code === "UNKNOWN_MEMBER" || code === "FENCED_MEMBER" || code === "UNKNOWN_GROUP";
}

function isFatal({ code }: VarveError): boolean {
  return (
    code === "FENCED_INSTANCE" ||
    code === "CLOSED" ||
    code === "INVALID_ARGUMENT" ||
    code === "INVALID_GROUP_NAME" ||
    code === "INVALID_TOPIC_NAME"
  );
}
