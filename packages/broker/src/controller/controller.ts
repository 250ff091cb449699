/**
 * controller.ts: the controller's state machine on its replica, and the way commands get into its log.
 *
 * Every broker holds a replica of group 0 (voter or learner), so all metadata is local everywhere; only its leader appends.
 * Invariants:
 *   C1  state is a function of the committed commands, in order; nothing else changes it
 *   C2  a command is answered after it is applied, with the result that every replica computes
 */
import { type BrokerId, type Clock, CONTROLLER_GROUP, VarveError } from "@varve/base";
import {
  type CommandResult,
  type ControllerCommand,
  ControllerState,
  decodeCommand,
  encodeCommand,
} from "@varve/cluster";
import { type CheckpointSection, type Frame, FrameKind, type GroupLog, type LogSnapshot } from "@varve/storage";
import { CommandLog } from "../replica/command-log.js";
import type { Replica, Role, StateMachine } from "../replica/replica.js";

/** Tag of the controller's section in checkpoints of group 0. */
export const CONTROLLER_SECTION = 16;

/** What follows from a committed command on this broker. */
export interface ControllerListener {
  /** `state` has changed; called once per turn of applied commands. */
  changed(state: ControllerState): void;
  roleChanged(role: Role): void;
}

interface VersionWaiter {
  readonly version: number;
  readonly wake: () => void;
}

export class Controller implements StateMachine {
  private current: ControllerState;
  private readonly clock: Clock;
  private readonly listener: ControllerListener;
  private replica: Replica | null = null;
  private readonly commands: CommandLog<CommandResult>;
  private versionWaiters: VersionWaiter[] = [];

  constructor(log: GroupLog, clock: Clock, listener: ControllerListener) {
    this.clock = clock;
    this.commands = new CommandLog(clock, { notLeader: notController, overloaded, unknown });
    this.listener = listener;
    this.current = restore(log.recoveredSections);
    for (const frame of log.recoveredFrames) this.applyFrame(frame);
    log.setSectionSource(() => [{ tag: CONTROLLER_SECTION, bytes: this.current.snapshot() }]);
  }

  attach(replica: Replica): void {
    this.replica = replica;
  }

  get state(): ControllerState {
    return this.current;
  }

  /** The replica of group 0 here; null before it runs. */
  get raft(): Replica | null {
    return this.replica;
  }

  isServing(): boolean {
    return this.replica?.isReadyLeader() ?? false;
  }

  /** The replica id of the leader of group 0, 0 = none known. */
  leaderReplica(): number {
    return this.replica?.leader ?? 0;
  }

  /**
   * Appends a command here, on the leader, and answers with its result once it is applied. One that not every broker could read is answered
   * without being appended.
   * @throws VarveError NOT_LEADER (nothing was appended, or another leader replaced it), COMMIT_UNKNOWN.
   */
  async execute(command: ControllerCommand): Promise<CommandResult> {
    const early = this.isServing() ? this.current.answerBeforeLog(command) : null;
    if (early !== null) return early;
    return this.commands.execute(this.replica, encodeCommand(command));
  }

  /** Resolves when at least this version is applied here; false when it was not within `waitMs`. */
  waitVersion(version: number, waitMs: number): Promise<boolean> {
    if (this.current.metadataVersion >= version) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(waitMs, () => {
        this.versionWaiters = this.versionWaiters.filter((other) => other !== waiter);
        resolve(false);
      });
      const waiter: VersionWaiter = {
        version,
        wake: () => {
          timer.cancel();
          resolve(true);
        },
      };
      this.versionWaiters.push(waiter);
    });
  }

  apply(frames: readonly Frame[]): void {
    for (const frame of frames) this.commands.settle(frame, this.applyFrame(frame));
  }

  applied(frames: readonly Frame[]): void {
    if (!frames.some((frame) => frame.kind === FrameKind.state)) return;
    this.wakeVersions();
    this.listener.changed(this.current);
  }

  durable(): void {}

  reset(snapshot: LogSnapshot): void {
    this.current = restore(snapshot.sections);
    this.commands.abandon();
    this.wakeVersions();
    this.listener.changed(this.current);
  }

  roleChanged(role: Role): void {
    if (role.kind === "follower") this.commands.lostLeadership();
    this.listener.roleChanged(role);
  }

  private applyFrame(frame: Frame): CommandResult | null {
    if (frame.kind !== FrameKind.state) return null;
    return this.current.apply(decodeCommand(frame.data), { index: frame.index, appendTimeMs: frame.appendTimeMs });
  }

  private wakeVersions(): void {
    const version = this.current.metadataVersion;
    const ready = this.versionWaiters.filter((waiter) => waiter.version <= version);
    if (ready.length === 0) return;
    this.versionWaiters = this.versionWaiters.filter((waiter) => waiter.version > version);
    for (const waiter of ready) waiter.wake();
  }
}

function restore(sections: readonly CheckpointSection[]): ControllerState {
  const section = sections.find(({ tag }) => tag === CONTROLLER_SECTION);
  return section === undefined ? ControllerState.empty() : ControllerState.restore(section.bytes);
}

export function notController(leader: BrokerId | null = null): VarveError {
  return new VarveError("NOT_LEADER", {
    message: "this broker does not lead the controller; nothing was changed; ask its leader",
    details: { groupId: CONTROLLER_GROUP, leader },
  });
}

function overloaded(pendingMax: number): VarveError {
  return new VarveError("BROKER_OVERLOADED", {
    message: `the controller has ${pendingMax} commands under way; nothing was changed; retry`,
    retryAfterMs: 200,
  });
}

function unknown(): VarveError {
  return new VarveError("COMMIT_UNKNOWN", {
    message:
      "the controller changed its leader before the command was committed; it may or may not take effect; look before you repeat it",
  });
}
