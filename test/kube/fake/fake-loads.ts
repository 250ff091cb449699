/**
 * fake-loads.ts: what loads leave in a made-up cluster, topics with records and groups, and what comes of loads that get into each other's way: as the
 * program (`load/load.ts`) and the checks of its history would say.
 */
import { groupPrefixOf, type LoadPlan } from "../load/plan.js";

interface FakeLoad {
  readonly groups: readonly string[];
  readonly problems: string[];
}

const SESSION_MS = 5_000;

/** Topics, groups and loads of one namespace. */
export class FakeLoads {
  /** By topic: its records. */
  readonly topics = new Map<string, string[]>();
  /** By group: the topic of its offsets. */
  private readonly known = new Map<string, string>();
  private readonly membersUntilMs = new Map<string, number>();
  private readonly running = new Map<string, FakeLoad>();

  constructor(private readonly nowMs: () => number) {}

  /** A load begins. @returns why it ended at once; null: it runs. */
  begin(name: string, plan: LoadPlan): string | null {
    const { topic } = plan;
    if ((this.topics.get(topic) ?? []).length > 0) return `the topic ${topic} has records of others`;
    const load: FakeLoad = { groups: ["auto", "manual"].map((mode) => groupPrefixOf(plan) + mode), problems: [] };
    for (const other of this.running.values())
      if (other.groups.some((group) => load.groups.includes(group)))
        for (const { problems } of [load, other]) problems.push("records that auto has not finished: 228 are left");
    this.topics.set(topic, ["p0:0"]);
    for (const group of load.groups) this.known.set(group, topic);
    this.running.set(name, load);
    return null;
  }

  /** What its end complains of; null: there is no such load. */
  problemsOf(name: string): readonly string[] | null {
    return this.running.get(name)?.problems ?? null;
  }

  /** Its members are killed: for the groups they are there until their sessions end. */
  end(name: string): void {
    for (const group of this.running.get(name)?.groups ?? []) this.membersUntilMs.set(group, this.nowMs() + SESSION_MS);
    this.running.delete(name);
  }

  /** Groups that there are: one without members whose offsets went with their topic is none. */
  groups(): readonly string[] {
    for (const [group, topic] of this.known)
      if (!this.hasMembers(group) && !this.topics.has(topic)) this.known.delete(group);
    return [...this.known.keys()];
  }

  /** @returns why not; null: it is deleted. */
  deleteGroup(group: string): string | null {
    if (!this.groups().includes(group)) return `there is no group ${group}`;
    if (this.hasMembers(group)) return `group ${group} still has members`;
    this.known.delete(group);
    return null;
  }

  private hasMembers(group: string): boolean {
    const isRunning = [...this.running.values()].some(({ groups }) => groups.includes(group));
    return isRunning || this.nowMs() < (this.membersUntilMs.get(group) ?? 0);
  }
}
