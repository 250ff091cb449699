/**
 * members.ts: the members of the group at work: they join, leave, are killed, and take over each other's static ids.
 */
import type { Prng } from "@varve/base/testing";
import type { ClientProcess } from "./client-process.js";
import type { GroupTruth } from "./group-truth.js";
import type { ClusterWorld } from "./machine.js";
import { Member } from "./member.js";

export interface MembersOptions {
  readonly world: ClusterWorld;
  readonly truth: GroupTruth;
  readonly group: string;
  readonly topic: string;
  readonly client: () => ClientProcess;
}

const MEMBERS_MAX = 4;
const PAUSE_MS_MAX = 12_000;

export class Members {
  private readonly options: MembersOptions;
  private members: Member[] = [];
  private count = 0;

  constructor(options: MembersOptions) {
    this.options = options;
  }

  join(prng: Prng): void {
    const { world, truth, group, topic, client } = this.options;
    if (this.live().length >= MEMBERS_MAX) return;
    const name = `m${++this.count}`;
    const staticId = prng.chance(0.3) ? `pod-${prng.between(0, 2)}` : undefined;
    const note = (what: string): void => world.trace.note(name, what);
    note(`joins ${staticId ?? ""}`);
    const fail = (error: unknown): void => world.checks.fail(error);
    const member = new Member({ process: client(), prng, truth, group, topic, staticId, fail, note });
    this.members.push(member);
    member.start(prng.pick([1, 4]));
  }

  async leave(prng: Prng): Promise<void> {
    const live = this.live();
    if (live.length > 1) await prng.pick(live).leave();
  }

  kill(prng: Prng): void {
    const live = this.live();
    if (live.length > 0) prng.pick(live).kill(prng.chance(0.5));
  }

  /** Long enough, now and then, that the group takes it for dead. */
  pause(prng: Prng): void {
    const live = this.live();
    if (live.length === 0) return;
    const member = prng.pick(live);
    member.pause();
    this.options.world.clock.setTimer(prng.ratio() * PAUSE_MS_MAX, () => member.resume());
  }

  /** Somebody must do the work that is left. */
  endOfFaults(prng: Prng): void {
    if (this.live().length === 0) this.join(prng);
  }

  private live(): Member[] {
    this.members = this.members.filter((member) => !member.isOver);
    return this.members;
  }
}
