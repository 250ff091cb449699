/**
 * step.ts: one command at work on one group: its time, and the one new epoch that it may open.
 */
import { assert, INT31_MAX } from "@varve/base";
import { groupKey, memberKey } from "./keys.js";
import { type Group, type Member, removeGroup, type Shard } from "./model.js";

export class Step {
  readonly shard: Shard;
  readonly group: Group;
  readonly nowMs: number;
  private opened = false;

  constructor(shard: Shard, group: Group, nowMs: number) {
    this.shard = shard;
    this.group = group;
    this.nowMs = nowMs;
  }

  /** The group epoch of this command: one more than before, however often it is asked for. */
  epoch(): number {
    if (!this.opened) {
      this.opened = true;
      this.group.epoch += 1;
      assert(this.group.epoch <= INT31_MAX, "a group's epoch fits into 31 bits, as the wire has it");
      this.touchGroup();
    }
    return this.group.epoch;
  }

  touchGroup(): void {
    this.shard.changedKeys.add(groupKey(this.group.name));
  }

  touchMember(member: Member): void {
    this.shard.changedKeys.add(memberKey(this.group.name, member.memberId));
  }

  /** Notes that the last member is gone; removes a group that has nothing to remember (G4). Topics that it knew stay known (M3). */
  settleIfEmpty(): void {
    const { group } = this;
    if (group.members.size > 0) return;
    if (group.offsetCount === 0) {
      removeGroup(this.shard, group);
      return;
    }
    group.emptySinceMs ??= this.nowMs;
    this.touchGroup();
  }
}
