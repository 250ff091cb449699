/**
 * state-model.test.ts: random members, crashes, lost answers, seeks, topics and commits against a slow, obvious model of what was
 * promised (C1 to C7 of the reliability goals, as far as this layer can hold them), checked after every step by other means than
 * the code uses.
 *
 * The model knows nothing of targets or views: it watches what members are told and what is acknowledged, and keeps one list of
 * grants and one table of committed offsets.
 */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "./command-codec.js";
import type { GroupCommand } from "./commands.js";
import { GROUP_LIMITS } from "./limits.js";
import type { GroupOutcome } from "./result.js";
import { GroupsState } from "./state.js";
import { Harness, type TestMember } from "./testing/harness.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
const TOPICS = ["orders", "refunds", "audit"];
const GROUP = "billing";

/** Cheaper than `expect` where it runs a million times. */
function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}

/** The harness with a second replica that is now and then rebuilt from its bytes, and a store that is fed with the changes. */
class Replicated extends Harness {
  readonly store = new Map<string, Uint8Array>();
  private second = GroupsState.empty(GROUP_LIMITS);
  private readonly prng: Prng;

  constructor(prng: Prng) {
    super();
    this.prng = prng;
  }

  override apply(command: GroupCommand): GroupOutcome {
    const bytes = encodeCommand(command);
    const outcome = super.apply(decodeCommand(bytes));
    expect(this.second.apply(decodeCommand(bytes), this.index), "S1: replicas answer the same").toEqual(outcome);
    if (!this.prng.chance(0.1)) return outcome;
    for (const [key, value] of this.state.takeChanges())
      value === null ? this.store.delete(key) : this.store.set(key, value);
    const encoded = this.state.encode();
    expect(this.second.encode(), "S1: equal bytes").toEqual(encoded);
    expect(GroupsState.fromEntries(this.store, GROUP_LIMITS).encode(), "S5").toEqual(encoded);
    this.second = GroupsState.decode(encoded, GROUP_LIMITS);
    if (this.prng.chance(0.3)) {
      this.state = GroupsState.fromEntries(this.store, GROUP_LIMITS);
    }
    return outcome;
  }
}

/** What has been promised so far. */
class Model {
  /** `topicId/partition/epoch` -> the member that was told that it owns it (C1). */
  readonly grants = new Map<string, string>();
  /** `topicId/partition` -> the last acknowledged commit or seek (C3). */
  readonly committed = new Map<string, number>();
  /** Members that were told that they are no more, or that left: nothing of theirs is accepted again (C2). */
  readonly dead = new Set<string>();

  hear(member: TestMember, where: string): void {
    for (const [place, { epoch }] of member.owned) {
      const known = this.grants.get(`${place}/${epoch}`) ?? member.memberId;
      check(
        known === member.memberId,
        () => `C1: ${place} at epoch ${epoch} was given to ${known} and ${member.memberId}: ${where}`,
      );
      this.grants.set(`${place}/${epoch}`, member.memberId);
    }
  }
}

class Scenario {
  readonly prng: Prng;
  readonly harness: Replicated;
  readonly model = new Model();
  readonly codes = new Set<string>();
  members: TestMember[] = [];
  /** Members that were killed, replaced or fenced, and still talk. */
  ghosts: TestMember[] = [];
  private nextMember = 0;

  constructor(prng: Prng) {
    this.prng = prng;
    this.harness = new Replicated(prng.fork());
    this.harness.createTopic("orders", prng.between(1, 6));
  }

  step(where: string): void {
    const { prng } = this;
    const draw = prng.between(0, 99);
    if (draw < 10) this.join();
    else if (draw < 55) this.beat(where);
    else if (draw < 75) this.commit(where);
    else if (draw < 80) this.kill();
    else if (draw < 84) this.seek();
    else if (draw < 90) this.ghostTalks(where);
    else if (draw < 94) this.changeTopics();
    else if (draw < 97) this.resubscribe();
    else this.leave();
    this.checkState(where);
  }

  private topics(): string[] {
    const some = TOPICS.filter(() => this.prng.chance(0.6));
    return some.length === 0 ? ["orders"] : some;
  }

  private join(): void {
    if (this.members.length >= 6) return;
    const staticId = this.prng.chance(0.4) ? `pod-${this.prng.between(1, 3)}` : null;
    const member = this.harness.member(`m-${this.nextMember++}`, this.topics(), { staticId });
    const replaced = this.members.filter((one) => staticId !== null && one.request.staticId === staticId);
    this.bury(replaced);
    member.join();
    this.members.push(member);
    this.model.hear(member, "join");
  }

  private bury(members: readonly TestMember[]): void {
    for (const { memberId } of members) this.model.dead.add(memberId);
    this.ghosts = [...this.ghosts, ...members].slice(-5);
    this.members = this.members.filter((one) => !members.includes(one));
  }

  private beat(where: string): void {
    if (this.members.length === 0) return;
    const member = this.prng.pick(this.members);
    if (this.prng.chance(0.15)) {
      // The answer is lost: the member sends the same again, or has moved on in the meantime.
      const lost = this.harness.beat(member.next());
      check(lost.ok, () => `a live member is not refused: ${where}`);
    }
    const code = member.beat();
    check(code === "ok", () => `a live member is not refused (${code}): ${where}`);
    this.model.hear(member, where);
  }

  private commit(where: string): void {
    if (this.members.length === 0) return;
    const member = this.prng.pick(this.members);
    if (member.owned.size === 0) return;
    const place = this.prng.pick([...member.owned.keys()]);
    const [topicId = "", partition] = place.split("/");
    const topic = [...this.harness.topics.values()].find((one) => one.topicId === topicId)?.topic;
    if (topic === undefined) return;
    const offset = (this.model.committed.get(place) ?? 0) + this.prng.between(-2, 5);
    const code = member.commit(topic, Number(partition), Math.max(0, offset));
    this.codes.add(code);
    check(["ok", "STALE_ASSIGNMENT"].includes(code), () => `commit of a live member: ${code}: ${where}`);
    if (code === "ok") this.model.committed.set(place, Math.max(offset, this.model.committed.get(place) ?? 0));
  }

  /** A member is gone without a word: its session times out. Static ones may come back instead. */
  private kill(): void {
    if (this.members.length === 0) return;
    const victim = this.prng.pick(this.members);
    this.harness.apply({ kind: "expire", group: GROUP, memberIds: [victim.memberId], nowMs: 1 });
    this.bury([victim]);
  }

  private leave(): void {
    if (this.members.length === 0) return;
    const member = this.prng.pick(this.members);
    expect(member.leave()).toBe("ok");
    this.bury([member]);
  }

  private seek(): void {
    const [topic, { topicId, partitions }] = this.prng.pick([...this.harness.topics]);
    const partition = this.prng.between(0, partitions - 1);
    const offset = this.prng.between(0, 20);
    const outcome = this.harness.apply({
      kind: "seek",
      group: GROUP,
      offsets: [{ topicId, partition, offset }],
      nowMs: 1,
    });
    if (outcome.ok !== true) return;
    this.model.committed.set(`${topicId}/${partition}`, offset);
    for (const member of this.members) {
      const epoch = member.owned.get(`${topicId}/${partition}`)?.epoch;
      if (epoch === undefined) continue;
      const code = member.commit(topic, partition, 1_000, epoch);
      check(code === "STALE_ASSIGNMENT", () => `work from before a seek was committed: ${code}`);
    }
  }

  /** C2: whoever was declared dead changes nothing, whatever it says. */
  private ghostTalks(where: string): void {
    if (this.ghosts.length === 0) return;
    const ghost = this.prng.pick(this.ghosts);
    const place = ghost.owned.size === 0 ? null : this.prng.pick([...ghost.owned.keys()]);
    const [topicId = "", partition] = (place ?? "").split("/");
    const topic = [...this.harness.topics.values()].find((one) => one.topicId === topicId)?.topic;
    const codes = [ghost.beat()];
    if (topic !== undefined) codes.push(ghost.commit(topic, Number(partition), 1_000_000));
    for (const code of codes) {
      this.codes.add(code);
      check(["UNKNOWN_MEMBER", "FENCED_INSTANCE"].includes(code), () => `C2: a dead member got ${code}: ${where}`);
    }
  }

  private changeTopics(): void {
    const { harness, prng } = this;
    const topic = prng.pick(TOPICS);
    const known = harness.topics.get(topic);
    const gone = known === undefined || prng.chance(0.5) ? null : known.topicId;
    if (known !== undefined && gone === null) {
      harness.topics.set(topic, { ...known, partitions: Math.min(12, known.partitions + prng.between(1, 3)) });
      harness.metadataVersion += 1;
    } else {
      harness.createTopic(topic, prng.between(1, 6));
    }
    harness.announce(GROUP, gone === null ? [] : [gone]);
    for (const place of this.model.committed.keys())
      if (gone !== null && place.startsWith(gone)) this.model.committed.delete(place);
  }

  private resubscribe(): void {
    if (this.members.length === 0) return;
    const member = this.prng.pick(this.members);
    member.request = { ...member.request, topics: this.topics() };
  }

  private checkState(where: string): void {
    const { harness, model } = this;
    const owners = new Map<string, string>();
    for (const { memberId, assigned, revoking } of harness.state.members(GROUP)) {
      for (const { topicId, partitions } of [...assigned, ...revoking]) {
        for (const partition of partitions) {
          const other = owners.get(`${topicId}/${partition}`);
          check(
            other === undefined,
            () => `C1: ${topicId}/${partition} is owned by ${other} and ${memberId}: ${where}`,
          );
          owners.set(`${topicId}/${partition}`, memberId);
        }
      }
    }
    // Nobody believes to own what somebody else was given since: the old owner gave it up first.
    for (const member of this.members) {
      for (const place of member.owned.keys())
        check(
          owners.get(place) === member.memberId,
          () => `C1: ${member.memberId} works on ${place}, owner ${owners.get(place)}: ${where}`,
        );
    }
    const committed = harness.state
      .offsets(GROUP)
      .map(({ topicId, partition, offset }) => [`${topicId}/${partition}`, offset]);
    const expected = [...model.committed];
    const sorted = (list: unknown[][]): unknown[][] =>
      list.sort(([left], [right]) => (String(left) < String(right) ? -1 : 1));
    expect(sorted(committed), `C3, C7: ${where}`).toEqual(sorted(expected));
  }

  /** C5: once nothing happens any more, the group is stable, balanced and whole. */
  finish(where: string): void {
    this.harness.announce();
    this.harness.settle(this.members);
    for (const member of this.members) this.model.hear(member, where);
    this.checkState(where);
    const described = this.harness.state.describe(GROUP);
    if (described === null || this.members.length === 0) return;
    expect(described.state, `C5: ${where}`).toBe("stable");
    for (const [topic, { partitions }] of this.harness.topics) {
      const subscribers = this.members.filter(({ request }) => request.topics?.includes(topic) === true);
      const owned = subscribers.flatMap((member) => member.partitions(topic)).sort((left, right) => left - right);
      const all = subscribers.length === 0 ? [] : Array.from({ length: partitions }, (_, partition) => partition);
      expect(owned, `C5: every partition of ${topic} is owned once: ${where}`).toEqual(all);
    }
  }
}

test(`random members, crashes, lost answers, seeks and topics break no promise (SEED=${seed})`, () => {
  const prng = new Prng(seed);
  const codes = new Set<string>();
  for (let round = 0; round < 40; round++) {
    const scenario = new Scenario(prng.fork());
    for (let step = 0; step < 150; step++) scenario.step(`SEED=${seed} round ${round} step ${step}`);
    scenario.finish(`SEED=${seed} round ${round}`);
    for (const code of scenario.codes) codes.add(code);
  }
  expect([...codes].sort(), "the scenarios reach every answer").toEqual(
    ["FENCED_INSTANCE", "STALE_ASSIGNMENT", "UNKNOWN_MEMBER", "ok"].sort(),
  );
});
