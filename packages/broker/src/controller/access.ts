/**
 * access.ts: lets any broker run a command or a linearizable read on the controller, wherever its leader is.
 *
 * Invariant A1: after `execute` or `refresh` succeeded, the local state is at least as new as what the leader had then.
 */
import { type BrokerId, type Clock, CONTROLLER_GROUP, delay, isVarveError, shape, VarveError } from "@varve/base";
import { type CommandResult, type ControllerCommand, decodeCommand, encodeCommand } from "@varve/cluster";
import type { PeerHub } from "@varve/peer";
import { PeerMethod } from "../peer-kinds.js";
import { peerCall } from "../routing/forwarding.js";
import { decodeJson, encodeJson } from "../routing/json-payload.js";
import type { LeaderEntry, LeaderTable } from "../routing/leader-table.js";
import { LeaderReplaced, whileItLeads } from "../routing/while-it-leads.js";
import { type Controller, notController } from "./controller.js";

/** Limits of one call. */
export interface Patience {
  readonly deadlineAtMs: number;
  readonly signal?: AbortSignal;
}

export interface ControllerAccessOptions {
  readonly brokerId: BrokerId;
  readonly controller: () => Controller | null;
  readonly hub: PeerHub;
  readonly clock: Clock;
  readonly leaders: LeaderTable;
  readonly brokerOf: (replicaId: number) => BrokerId | null;
  /** This broker hands over and ends: it waits for no leader any more. */
  readonly isStopping: () => boolean;
}

export interface CommandAnswer {
  readonly result: CommandResult;
  /** Of the metadata, from which on the result is visible. */
  readonly version: number;
}

/** The result is the controller's word, of this version or a newer one; what a caller needs of it is asked for by kind. */
const readAnswer = shape.open<CommandAnswer>({ result: readResult, version: shape.count });

function readResult(value: unknown, path: string): CommandResult {
  const isResult = typeof value === "object" && value !== null && "ok" in value && typeof value.ok === "boolean";
  if (isResult && (value.ok ? "value" in value : "code" in value)) return value as CommandResult;
  throw new shape.ShapeError(`${path}: expected a command's result`);
}

interface CallLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const NEVER = new AbortController().signal;
const RETRY_MS = 50;
/** Of a call's time, what is kept for the answer's way: one that comes at the caller's deadline is none. */
const ANSWER_SHARE = 0.1;
const ANSWER_MS_MAX = 500;
/** One attempt against one broker; the call as a whole has its caller's deadline. */
const ATTEMPT_MS = 5_000;

export class ControllerAccess {
  private readonly options: ControllerAccessOptions;

  constructor(options: ControllerAccessOptions) {
    this.options = options;
    options.hub.handleCall(PeerMethod.command, async (_from, payload) =>
      encodeJson(await this.executeHere(decodeCommand(payload))),
    );
    options.hub.handleCall(PeerMethod.controllerRead, async () => encodeJson(await this.versionHere()));
  }

  /**
   * Runs a command and waits until its result is visible here, unless this broker lags for longer than the caller waits: who goes on to ask, also
   * elsewhere, asks for the answer's version.
   * @throws VarveError COMMIT_UNKNOWN (it may take effect), NOT_ENOUGH_REPLICAS (no leader in time; nothing was changed), SHUTTING_DOWN.
   */
  async command(command: ControllerCommand, patience: Patience): Promise<CommandAnswer> {
    const answer = await this.onLeader<CommandAnswer>(
      patience,
      false,
      () => this.executeHere(command),
      (to, limits) => this.remote(to, PeerMethod.command, encodeCommand(command), limits, readAnswer),
    );
    const leftMs = patience.deadlineAtMs - this.options.clock.monotonicMs();
    await this.options.controller()?.waitVersion(answer.version, Math.max(0, leftMs));
    return answer;
  }

  /** As `command`, for its result alone. */
  async execute(command: ControllerCommand, patience: Patience): Promise<CommandResult> {
    return (await this.command(command, patience)).result;
  }

  /** Brings the local state up to what was committed when the call began; false when that was not possible in time. */
  async refresh(patience: Patience): Promise<boolean> {
    try {
      const version = await this.onLeader<number>(
        patience,
        true,
        () => this.versionHere(),
        (to, limits) => this.remote(to, PeerMethod.controllerRead, new Uint8Array(0), limits, shape.count),
      );
      const leftMs = patience.deadlineAtMs - this.options.clock.monotonicMs();
      return (await this.options.controller()?.waitVersion(version, Math.max(0, leftMs))) ?? false;
    } catch (error) {
      if (isVarveError(error)) return false;
      throw error;
    }
  }

  /** The broker that leads the controller, as far as is known here. */
  leader(): BrokerId | null {
    return this.leaderKnown()?.broker ?? null;
  }

  private leaderKnown(): LeaderEntry | null {
    const { controller, leaders, brokerOf, brokerId } = this.options;
    const here = controller();
    const replica = here === null ? 0 : here.leaderReplica();
    const broker = replica === 0 ? null : brokerOf(replica);
    const near = broker === null ? null : { broker, term: here?.raft?.node.term ?? 0 };
    const announced = leaders.get(CONTROLLER_GROUP);
    if (near !== null && (announced === null || announced.term <= near.term)) return near;
    // What this broker announced of itself is over when its own replica does not know it any more.
    return announced?.broker === brokerId ? near : announced;
  }

  private async executeHere(command: ControllerCommand): Promise<CommandAnswer> {
    const controller = this.options.controller();
    if (controller === null) throw notController(this.leader());
    const result = await controller.execute(command);
    return { result, version: controller.state.metadataVersion };
  }

  private async versionHere(): Promise<number> {
    const controller = this.options.controller();
    const index = await controller?.raft?.readIndex();
    if (controller === null || index === null || index === undefined) throw notController(this.leader());
    return controller.state.metadataVersion;
  }

  private async onLeader<T>(
    patience: Patience,
    isRead: boolean,
    here: () => Promise<T>,
    there: (to: BrokerId, limits: CallLimits) => Promise<T>,
  ): Promise<T> {
    const { clock, brokerId, leaders } = this.options;
    const marginMs = Math.min(ANSWER_MS_MAX, (patience.deadlineAtMs - clock.monotonicMs()) * ANSWER_SHARE);
    for (;;) {
      const leader = this.leaderKnown();
      const leftMs = patience.deadlineAtMs - clock.monotonicMs();
      try {
        if (leader?.broker === brokerId) return await here();
        if (leader !== null) {
          const timeoutMs = Math.min(ATTEMPT_MS, Math.max(1, leftMs));
          const call = (signal: AbortSignal): Promise<T> => there(leader.broker, { timeoutMs, signal });
          return await whileItLeads(leaders, CONTROLLER_GROUP, leader, patience.signal ?? NEVER, call);
        }
      } catch (error) {
        if (error instanceof LeaderReplaced) {
          if (!isRead) throw controllerReplaced();
        } else if (!wroteNothing(error)) throw error;
      }
      if (this.options.isStopping()) throw shuttingDown();
      if (leftMs <= Math.max(RETRY_MS, marginMs) || patience.signal?.aborted) throw noController();
      await delay(clock, RETRY_MS, patience.signal).catch(() => {});
    }
  }

  private async remote<T>(
    to: BrokerId,
    method: number,
    payload: Uint8Array,
    limits: CallLimits,
    reader: shape.Reader<T>,
  ): Promise<T> {
    const answer = await peerCall(this.options.hub, to, method, payload, limits);
    return decodeJson(answer, "the controller's answer", reader);
  }
}

function wroteNothing(error: unknown): boolean {
  return (
    isVarveError(error) && (error.code === "NOT_LEADER" || (error.code === "UNREACHABLE" && error.effect !== "UNKNOWN"))
  );
}

function controllerReplaced(): VarveError {
  return new VarveError("COMMIT_UNKNOWN", {
    message:
      "the controller's leader did not answer and another leads now; the change may or may not be made; look, or repeat it",
  });
}

function shuttingDown(): VarveError {
  return new VarveError("SHUTTING_DOWN", {
    message:
      "this broker is stopping and does not wait for the controller's leader; nothing was changed; ask another broker",
  });
}

function noController(): VarveError {
  return new VarveError("NOT_ENOUGH_REPLICAS", {
    message:
      "the controller has no leader that can be reached: a majority of its voters is down; nothing was changed; retry",
    retryAfterMs: 500,
  });
}
