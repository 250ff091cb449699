/**
 * cluster-simulation.ts: whole brokers, the SDK and a group at work in one process, on one clock and one seed: faults with traffic, then healing,
 * and what must hold in the end.
 */
import { delay, isVarveError } from "@varve/base";
import { Prng, SimClock } from "@varve/base/testing";
import { SimNetwork } from "@varve/peer/testing";
import { SimRpcNetwork } from "@varve/rpc/testing";
import { Trace } from "../trace.js";
import { Violation } from "../violation.js";
import { type CallObserver, ClientProcess } from "./client-process.js";
import { GroupTruth } from "./group-truth.js";
import { type ClusterWorld, grpcAddress, Machine } from "./machine.js";
import { Member } from "./member.js";

export interface ClusterRunOptions {
  readonly seed: number;
  readonly print?: (line: string) => void;
}

export interface ClusterReport {
  readonly seed: number;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly violation: Error | null;
  readonly faults: ReadonlyMap<string, number>;
  readonly acked: number;
  readonly deliveries: number;
  readonly commits: number;
  readonly fetches: number;
  readonly seeks: number;
}

const TOPIC = "orders";
const GROUP = "billing";
const PARTITIONS = 4;
const FAULTS_MS = 60_000;
const BOOT_MS = 20_000;
const HEALED_MS = 60_000;
const SLICE_MS = 50;
const MEMBERS_MAX = 4;
const FAULTS = [
  "crash",
  "crash",
  "crashAll",
  "pause",
  "isolate",
  "reset",
  "kill",
  "kill",
  "leave",
  "seek",
  "seek",
  "transfer",
] as const;

type FaultKind = (typeof FAULTS)[number];

export async function runCluster(options: ClusterRunOptions): Promise<ClusterReport> {
  const simulation = new ClusterSimulation(options);
  try {
    await simulation.run();
  } catch (error) {
    simulation.fail(error);
  }
  return simulation.report();
}

class ClusterSimulation implements ClusterWorld {
  readonly clock = new SimClock();
  readonly prng: Prng;
  readonly network: SimNetwork;
  readonly rpc: SimRpcNetwork;
  readonly names = ["b1", "b2", "b3"];
  private readonly seed: number;
  private readonly trace: Trace;
  private readonly truth = new GroupTruth();
  private readonly machines: Machine[];
  private readonly faults = new Map<string, number>();
  private readonly undo = new Set<() => void>();
  private readonly admin: ClientProcess;
  private members: Member[] = [];
  private violation: Error | null = null;
  private phase: "faults" | "healed" = "faults";
  private producing = 0;
  private memberCount = 0;

  constructor({ seed, print }: ClusterRunOptions) {
    this.seed = seed;
    this.prng = new Prng(seed);
    this.trace = new Trace(() => this.clock.monotonicMs(), print ?? null);
    this.network = new SimNetwork({ clock: this.clock, prng: this.prng.fork() });
    const latency = this.prng.fork();
    const fate = this.prng.fork();
    this.rpc = new SimRpcNetwork({
      clock: this.clock,
      latencyMs: () => 0.1 + latency.ratio(),
      fate: () => {
        if (this.phase === "healed" || fate.chance(0.98)) return "pass";
        return fate.pick(["refuse", "loseRequest", "loseAnswer"] as const);
      },
    });
    this.machines = this.names.map((_, at) => new Machine(at + 1, this));
    this.admin = this.client();
  }

  note(who: string, what: string): void {
    this.trace.note(who, what);
  }

  fail(error: unknown): void {
    this.violation ??= error instanceof Error ? error : new Error(String(error));
  }

  async run(): Promise<void> {
    for (const machine of this.machines) machine.start();
    await this.until("all brokers are ready", BOOT_MS, () => this.machines.every((machine) => machine.isReady));
    await this.finish(
      "the topic is made",
      BOOT_MS,
      this.admin.varve.admin.createTopic({ topic: TOPIC, partitions: PARTITIONS, replicas: 3 }),
    );
    for (let at = 0; at < 3; at++) this.addMember();
    for (let at = 0; at < 2; at++) this.produce(this.client(), `p${at}`);
    this.watchOffsets();
    this.strikeLater();
    await this.until("the time of faults", FAULTS_MS + SLICE_MS, () => this.clock.monotonicMs() >= FAULTS_MS);
    this.heal();
    await this.until("every broker is ready again", HEALED_MS, () => this.machines.every((machine) => machine.isReady));
    await this.until("every producer is done", HEALED_MS, () => this.producing === 0);
    await this.until("every acknowledged record is processed", HEALED_MS, () => this.truth.missing().length === 0);
    await this.checkGroup();
    await this.checkLog();
  }

  report(): ClusterReport {
    const { seed, violation, faults, truth } = this;
    const { deliveries, commits, fetches, seeks } = truth;
    const simulatedMs = this.clock.monotonicMs();
    return {
      seed,
      hash: this.trace.hash,
      simulatedMs,
      violation,
      faults,
      acked: truth.acked.size,
      deliveries,
      commits,
      fetches,
      seeks,
    };
  }

  private client(): ClientProcess {
    const bootstrap = this.names.map(grpcAddress);
    return new ClientProcess(
      { clock: this.clock, transport: this.rpc.transport() },
      { prng: this.prng.fork(), bootstrap, observer: this.observer() },
    );
  }

  /** What the checks see of a client: its commits, and what it is assigned. */
  private observer(): CallObserver {
    return {
      unary: (method, request) => {
        if (method !== "CommitOffsets") return null;
        const { offsets } = request as {
          readonly offsets: readonly { readonly partition: number; readonly offset: number }[];
        };
        const { since } = this.truth.mark();
        this.check(() => {
          for (const { partition, offset } of offsets) this.truth.onCommit(partition, offset);
        });
        return (answer) => {
          if (answer === null) return;
          this.trace.note("commit", "acked", ...offsets.flatMap(({ partition, offset }) => [partition, offset]));
          for (const { partition, offset } of offsets) this.truth.onCommitAcked(partition, offset, since);
        };
      },
      received: (method, message) => {
        if (method !== "Session") return;
        const { memberId, assigned } = message as {
          readonly memberId: string;
          readonly assigned: readonly { readonly partition: number; readonly assignmentEpoch: number }[];
        };
        this.check(() => {
          for (const { partition, assignmentEpoch } of assigned)
            this.truth.onAssigned(memberId, partition, assignmentEpoch);
        });
      },
    };
  }

  private check(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  private addMember(): void {
    const number = ++this.memberCount;
    const staticId = this.prng.chance(0.3) ? `pod-${this.prng.between(0, 2)}` : undefined;
    const member = new Member({
      process: this.client(),
      prng: this.prng.fork(),
      truth: this.truth,
      group: GROUP,
      topic: TOPIC,
      staticId,
      fail: (error) => this.fail(error),
      note: (what) => this.note(`m${number}`, what),
    });
    this.note(`m${number}`, `joins ${staticId ?? ""}`);
    this.members.push(member);
    member.start(this.prng.pick([1, 4]));
  }

  private produce(client: ClientProcess, name: string): void {
    this.producing++;
    const prng = this.prng.fork();
    const producer = client.varve.producer({ lingerMs: 2, deliveryTimeoutMs: 5_000 });
    const run = async (): Promise<void> => {
      for (let sequence = 0; this.phase === "faults"; sequence++) {
        const value = `${name}:${sequence}`;
        const sent = producer.send({ topic: TOPIC, key: `k${prng.between(0, 20)}`, value });
        sent.then(
          ({ partition, offset }) => void this.truth.acked.set(value, { partition, offset }),
          (error: unknown) => {
            if (isVarveError(error) && error.effect === "NOT_APPLIED") this.truth.refused.add(value);
            else if (!isVarveError(error)) this.fail(error);
          },
        );
        await delay(client.clock, prng.ratio() * 60);
      }
      await producer.close();
    };
    run()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.producing--;
      });
  }

  /** Asks again and again what is committed; the answers are linearizable. */
  private watchOffsets(): void {
    const { varve, clock } = this.client();
    const run = async (): Promise<void> => {
      while (this.phase === "faults") {
        await delay(clock, 200 + this.prng.ratio() * 500);
        const mark = this.truth.mark();
        const described = await varve.admin.describeGroup(GROUP).catch(() => null);
        if (described === null) continue;
        const offsets = new Map(described.offsets.map(({ partition, committed }) => [partition, committed ?? -1]));
        this.check(() => this.truth.onFetched(mark, offsets));
      }
    };
    run().catch((error: unknown) => this.fail(error));
  }

  private strikeLater(): void {
    this.clock.setTimer(200 + this.prng.ratio() * 3_000, () => {
      if (this.phase === "healed") return;
      this.strike(this.prng.pick(FAULTS));
      this.strikeLater();
    });
  }

  private strike(kind: (typeof FAULTS)[number]): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    const victim = this.prng.pick(this.machines);
    this.note("world", `${kind} ${victim.name}`);
    const others = this.names.filter((name) => name !== victim.name);
    const strikes: Readonly<Record<FaultKind, () => void>> = {
      crash: () => this.crash([victim]),
      crashAll: () => this.crash(this.machines),
      pause: () => {
        victim.pause();
        this.lasting(10_000, () => victim.resume());
      },
      isolate: () => {
        this.network.partition([victim.name], others);
        this.lasting(8_000, () => this.network.heal());
      },
      reset: () => this.network.reset(victim.name, this.prng.pick(others)),
      kill: () => this.replaceMember("kill"),
      leave: () => this.replaceMember("leave"),
      seek: () => this.seek(),
      transfer: () => {
        const partition = this.prng.between(0, PARTITIONS - 1);
        this.admin.varve.admin.transferLeadership({ topic: TOPIC, partition, to: victim.id }).catch(() => {});
      },
    };
    strikes[kind]();
  }

  private crash(machines: readonly Machine[]): void {
    for (const machine of machines) {
      if (!machine.isUp) continue;
      machine.crash(this.prng.chance(0.5));
      this.lasting(6_000, () => machine.start());
    }
  }

  private replaceMember(kind: "kill" | "leave"): void {
    const live = this.members.filter((member) => !member.isOver);
    if (live.length > 1) {
      const member = this.prng.pick(live);
      if (kind === "kill") member.kill(this.prng.chance(0.5));
      else member.leave().catch((error: unknown) => this.fail(error));
    }
    this.members = this.members.filter((member) => !member.isOver);
    this.clock.setTimer(this.prng.ratio() * 4_000, () => {
      if (this.phase === "faults" && this.members.filter((member) => !member.isOver).length < MEMBERS_MAX)
        this.addMember();
    });
  }

  private seek(): void {
    const isPartial = this.prng.chance(0.5);
    const partition = this.prng.between(0, PARTITIONS - 1);
    this.truth.seekBegins();
    this.admin.varve.admin
      .seekGroup({ group: GROUP, topic: TOPIC, to: "earliest", ...(isPartial ? { partition } : {}) })
      .then(
        () => this.truth.seekEnded(true),
        (error: unknown) => this.truth.seekEnded(isVarveError(error) && error.effect === "NOT_APPLIED"),
      );
  }

  private lasting(msMax: number, end: () => void): void {
    const once = (): void => {
      if (!this.undo.delete(once)) return;
      timer.cancel();
      end();
    };
    this.undo.add(once);
    const timer = this.clock.setTimer(this.prng.ratio() * msMax, once);
  }

  private heal(): void {
    this.phase = "healed";
    this.note("world", "heal");
    for (const undo of [...this.undo]) undo();
    this.network.heal();
    if (this.members.every((member) => member.isOver)) this.addMember();
  }

  /** Everything is committed, and the group has come to rest. */
  private async checkGroup(): Promise<void> {
    const isSettled = async (): Promise<boolean> => {
      const { state, offsets } = await this.admin.varve.admin.describeGroup(GROUP);
      return state === "stable" && offsets.length === PARTITIONS && offsets.every(({ lagRecords }) => lagRecords === 0);
    };
    let settled = false;
    const look = (): void => {
      isSettled().then(
        (is) => {
          settled ||= is;
          if (!settled) this.clock.setTimer(500, look);
        },
        () => this.clock.setTimer(500, look),
      );
    };
    look();
    await this.until("the group is stable and has committed everything", HEALED_MS, () => settled);
  }

  private async checkLog(): Promise<void> {
    const read = async (): Promise<{ partition: number; offset: number; value: string }[]> => {
      const records: { partition: number; offset: number; value: string }[] = [];
      for await (const { partition, offset, value } of this.admin.varve.reader({
        topic: TOPIC,
        from: "earliest",
        to: "end",
      }))
        records.push({ partition, offset, value: String(value) });
      return records;
    };
    this.truth.checkLog(await this.finish("the log is read", HEALED_MS, read()));
  }

  private async finish<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | null = null;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.until(what, withinMs, () => outcome !== null);
    return promise;
  }

  private async until(what: string, withinMs: number, isThere: () => boolean): Promise<void> {
    const endMs = this.clock.monotonicMs() + withinMs;
    while (!isThere()) {
      if (this.clock.monotonicMs() >= endMs) throw new Violation("liveness", `not within ${withinMs} ms: ${what}`);
      await this.clock.runUntil(this.clock.monotonicMs() + SLICE_MS);
      if (this.violation !== null) throw this.violation;
    }
  }
}
