/**
 * start-cluster.ts: real brokers in this process, for tests: the broker's own composition root, real sockets on loopback, disks in memory.
 *
 * What fails: power (member.ts), the network between brokers (the peer package's switchboard), the network to clients (relay.ts).
 */
import { type BrokerId, isVarveError, type Link, silentLogger, VarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { Varve, type VarveOptions } from "@varve/client";
import { partitionableLink, Switchboard } from "@varve/peer/testing";
import { freePorts } from "./free-ports.js";
import { Member } from "./member.js";
import { lostToClients } from "./sides.js";
import type { PartitionOptions, StartClusterOptions, TestCluster } from "./test-cluster.js";

const PORTS_PER_BROKER = 2;
/** A port that was free may be taken before it is bound: then all begins anew, with others. */
const STARTS_MAX = 3;
const BROKERS_MAX = 9;

/** Starts brokers and resolves when all are ready. @throws VarveError TIMEOUT, ADDRESS_UNUSABLE; nothing is left running. */
export async function startCluster(options: StartClusterOptions = {}): Promise<TestCluster> {
  const { brokers = 3, seed = 1 } = options;
  requireInteger("brokers", brokers, 1, BROKERS_MAX);
  requireInteger("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  for (let start = 1; ; start++) {
    try {
      return await startOnce(brokers, seed, options);
    } catch (error) {
      const isTaken = isVarveError(error) && error.code === "ADDRESS_UNUSABLE";
      if (!isTaken || start === STARTS_MAX) throw error;
    }
  }
}

async function startOnce(brokers: number, seed: number, options: StartClusterOptions): Promise<TestCluster> {
  const ports = await freePorts(brokers * PORTS_PER_BROKER);
  const random = new Prng(seed);
  const members = Array.from({ length: brokers }, (_, at) => {
    const [clientPort = 0, peerPort = 0] = ports.slice(at * PORTS_PER_BROKER);
    return new Member(at + 1, { clientPort, peerPort }, random.fork());
  });
  const cluster = new Cluster(members, options);
  try {
    await cluster.startAll();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

class Cluster implements TestCluster {
  private readonly members: readonly Member[];
  private readonly options: StartClusterOptions;
  private readonly switchboard = new Switchboard();
  private readonly clients: Varve[] = [];

  constructor(members: readonly Member[], options: StartClusterOptions) {
    this.members = members;
    this.options = options;
  }

  async startAll(): Promise<void> {
    // All have listened or failed before anything else, so that `close` finds all of them.
    const starts = await Promise.allSettled(this.members.map((member) => this.start(member)));
    const ready = starts.map((start) => {
      if (start.status === "rejected") throw start.reason;
      return start.value.ready;
    });
    await Promise.all(this.members.map((member, at) => this.inTime(member, ready[at])));
  }

  get bootstrap(): string[] {
    return this.members.map(({ relay }) => relay.address);
  }

  get brokerIds(): readonly BrokerId[] {
    return this.members.map(({ id }) => id);
  }

  varve(options: Omit<VarveOptions, "bootstrap"> = {}): Varve {
    const client = new Varve({ ...options, bootstrap: this.bootstrap });
    this.clients.push(client);
    return client;
  }

  async kill(brokerId: BrokerId): Promise<void> {
    await this.member(brokerId).kill();
  }

  async stop(brokerId: BrokerId): Promise<void> {
    await this.member(brokerId).stop();
  }

  async restart(brokerId: BrokerId): Promise<void> {
    const member = this.member(brokerId);
    if (member.isRunning) return;
    const { ready } = await this.start(member);
    const up = this.members.filter(({ isRunning }) => isRunning).length;
    if (up * 2 > this.members.length) await this.inTime(member, ready);
  }

  partition(left: readonly BrokerId[], right: readonly BrokerId[], { clients }: PartitionOptions = {}): void {
    for (const brokerId of [...left, ...right]) this.member(brokerId);
    const both = left.find((brokerId) => right.includes(brokerId));
    if (both !== undefined) throw invalidArgument(`broker ${both} cannot be on both sides; nothing was cut`);
    this.switchboard.partition(left, right);
    for (const brokerId of lostToClients(left, right, clients)) this.member(brokerId).relay.cut();
  }

  heal(): void {
    this.switchboard.heal();
    for (const { relay } of this.members) relay.heal();
  }

  async metrics(brokerId: BrokerId): Promise<string> {
    const { opsPort } = this.member(brokerId);
    if (opsPort === null) throw invalidArgument(`broker ${brokerId} is not running, so it has no metrics`);
    const response = await fetch(`http://127.0.0.1:${opsPort}/metrics`);
    return response.text();
  }

  async close(): Promise<void> {
    this.heal(); // A client that is cut off would wait for what it has sent.
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
    await Promise.all(this.members.map((member) => member.close()));
  }

  private member(brokerId: BrokerId): Member {
    const member = this.members.find(({ id }) => id === brokerId);
    if (member === undefined) throw invalidArgument(`there is no broker ${brokerId} in this cluster`);
    return member;
  }

  private start(member: Member): Promise<{ readonly ready: Promise<void> }> {
    const { config = {}, logger = silentLogger } = this.options;
    const seeds = this.members.map(({ ports }) => `127.0.0.1:${ports.peerPort}`);
    const link = (real: Link): Link => partitionableLink(real, member.id, this.switchboard);
    return member.start({ config, seeds }, { logger, link });
  }

  /** Waits for a broker that was started. @throws VarveError TIMEOUT. */
  private async inTime({ id, relay }: Member, ready: Promise<void> | undefined): Promise<void> {
    const timeoutMs = this.options.timeoutMs ?? 30_000;
    const message = `broker ${id} on ${relay.address} was not ready within ${timeoutMs} ms`;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new VarveError("TIMEOUT", { message, effect: "NONE" })), timeoutMs);
    });
    try {
      await Promise.race([ready, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(`${name} must be an integer in ${min} .. ${max}, not ${value}; nothing was started`);
}

function invalidArgument(message: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", { message, effect: "NONE" });
}
