/**
 * sim-network.ts: a network of named hosts under a simulated clock, seeded; the Link port of each host.
 *
 * What TCP promises holds: bytes arrive in order or not at all. Faults are those of paths (a directed pair of hosts) and hosts: delay,
 * blocked paths (partition, one-way or not; clog), reset, crash. A blocked path keeps what is on its way, as TCP sends it again, until
 * the path opens or an end gives up; nobody is told. Loss, duplication and reordering of whole messages: message-faults.ts.
 * The same seed and the same calls give the same events.
 */
import { type Clock, type Link, type LinkConnection, type LinkListener, VarveError } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import { SimConnection } from "./sim-connection.js";
import { type Segment, type SimPath, SimPipe } from "./sim-pipe.js";

/** How long a segment travels on a path, milliseconds; uniform between the two. */
export interface PathDelay {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SimNetworkOptions {
  readonly clock: Clock;
  readonly prng: Prng;
  /** Default: 0.1 .. 1 ms. */
  readonly delay?: PathDelay;
}

/** Dead connections are forgotten when there are this many of them or more. */
const WIRES_SWEEP_MIN = 64;

type Acceptor = (connection: LinkConnection) => void;

class Path implements SimPath {
  delay: PathDelay;
  /** Reasons why nothing passes; a partition and a clog may overlap. */
  readonly blocks = new Set<"partition" | "clog">();
  /** Pipes with something on its way. */
  readonly busy = new Set<SimPipe>();
  private readonly prng: Prng;

  constructor(delay: PathDelay, prng: Prng) {
    this.delay = delay;
    this.prng = prng;
  }

  get blocked(): boolean {
    return this.blocks.size > 0;
  }

  delayMs(): number {
    return this.delay.minMs + this.prng.ratio() * (this.delay.maxMs - this.delay.minMs);
  }

  unblock(why: "partition" | "clog"): void {
    this.blocks.delete(why);
    for (const pipe of [...this.busy]) pipe.pump();
  }
}

class Host {
  readonly name: string;
  readonly listeners = new Map<number, Acceptor>();
  readonly connections = new Set<SimConnection>();
  nextPort = 40_000;
  /** Counts crashes: a Link made before one is dead. */
  life = 0;

  constructor(name: string) {
    this.name = name;
  }
}

interface Wire {
  readonly from: string;
  readonly to: string;
  readonly dialed: SimConnection;
  accepted: SimConnection | null;
}

export class SimNetwork {
  private readonly clock: Clock;
  private readonly prng: Prng;
  private readonly delay: PathDelay;
  private readonly hosts = new Map<string, Host>();
  private readonly paths = new Map<string, Path>();
  private wires: Wire[] = [];

  constructor(options: SimNetworkOptions) {
    this.clock = options.clock;
    this.prng = options.prng;
    this.delay = options.delay ?? { minMs: 0.1, maxMs: 1 };
  }

  /** The network as the host `name` sees it; addresses are `name:port`. After a crash of the host, ask for a new one. */
  host(name: string): Link {
    const host = this.hostOf(name);
    const { life } = host;
    return {
      listen: (_host, port, onConnection) => this.listen(host, life, port, onConnection),
      dial: (address) => this.dial(host, life, address),
    };
  }

  setDelay(from: string, to: string, delay: PathDelay): void {
    this.path(from, to).delay = delay;
  }

  /** Nothing passes from one host to the other until `unclog`. */
  clog(from: string, to: string): void {
    this.path(from, to).blocks.add("clog");
  }

  unclog(from: string, to: string): void {
    this.path(from, to).unblock("clog");
  }

  /** Nothing passes from one host to the other until `heal`. */
  block(from: string, to: string): void {
    this.path(from, to).blocks.add("partition");
  }

  /** Nothing passes between the two sides, either way, until `heal`. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const one of left) {
      for (const other of right) {
        this.block(one, other);
        this.block(other, one);
      }
    }
  }

  /** Ends every partition and one-way block; clogs stay. */
  heal(): void {
    for (const path of this.paths.values()) path.unblock("partition");
  }

  /** Breaks every connection between two hosts; both ends are told at once. */
  reset(one: string, other: string): void {
    this.sweep();
    for (const wire of [...this.wires]) {
      const between = (wire.from === one && wire.to === other) || (wire.from === other && wire.to === one);
      if (!between) continue;
      wire.dialed.breakOff();
      wire.accepted?.breakOff();
    }
  }

  /**
   * Ends a host as `kill -9` does: its handlers hear nothing any more, its peers get resets, its ports refuse. `silent`: as a power
   * cut does; the peers get no word.
   */
  crash(name: string, options: { readonly silent?: boolean } = {}): void {
    const host = this.hostOf(name);
    host.life++;
    host.listeners.clear();
    for (const connection of host.connections) connection.crash(options.silent ?? false);
    host.connections.clear();
  }

  private async listen(host: Host, life: number, port: number, onConnection: Acceptor): Promise<LinkListener> {
    const bound = port === 0 ? host.nextPort++ : port;
    if (host.life !== life || host.listeners.has(bound)) {
      const message = `cannot listen on ${host.name}:${bound}: it is in use`;
      throw new VarveError("ADDRESS_UNUSABLE", { message, details: { host: host.name, port: bound } });
    }
    host.listeners.set(bound, onConnection);
    return {
      port: bound,
      close: async () => {
        if (host.life === life) host.listeners.delete(bound);
      },
    };
  }

  private dial(from: Host, life: number, address: string): LinkConnection {
    const match = /^([^:]+):(\d+)$/.exec(address);
    if (match === null) throw new VarveError("INVALID_ARGUMENT", { message: `${address} is not host:port` });
    const [, name = "", port = ""] = match;
    const to = this.hostOf(name);
    const dialed = new SimConnection(address, this.clock, this.prng);
    if (from.life !== life) return dialed;
    from.connections.add(dialed);
    const wire: Wire = { from: from.name, to: name, dialed, accepted: null };
    if (this.wires.length >= WIRES_SWEEP_MIN) this.sweep();
    this.wires.push(wire);
    const back = this.pipe(name, from.name, (segment) => dialed.receive(segment));
    const out = this.pipe(from.name, name, (segment) => {
      if (segment.kind === "open") this.accept(wire, to, Number(port), back);
      else wire.accepted?.receive(segment);
    });
    dialed.setOut(out);
    out.put({ kind: "open" });
    return dialed;
  }

  private accept(wire: Wire, host: Host, port: number, back: SimPipe): void {
    const acceptor = host.listeners.get(port);
    if (acceptor === undefined) {
      back.put({ kind: "refused" });
      return;
    }
    const accepted = new SimConnection(`${wire.from}:${this.hostOf(wire.from).nextPort++}`, this.clock, this.prng);
    wire.accepted = accepted;
    host.connections.add(accepted);
    accepted.setOut(back);
    accepted.setOther(wire.dialed);
    wire.dialed.setOther(accepted);
    acceptor(accepted);
  }

  private pipe(from: string, to: string, deliver: (segment: Segment) => void): SimPipe {
    const path = this.path(from, to);
    return new SimPipe(this.clock, path, deliver);
  }

  private sweep(): void {
    this.wires = this.wires.filter((wire) => !wire.dialed.isDead || wire.accepted?.isDead === false);
    for (const host of this.hosts.values()) {
      for (const connection of host.connections) if (connection.isDead) host.connections.delete(connection);
    }
  }

  private path(from: string, to: string): Path {
    const key = `${from}>${to}`;
    let path = this.paths.get(key);
    if (path === undefined) {
      path = new Path(this.delay, this.prng);
      this.paths.set(key, path);
    }
    return path;
  }

  private hostOf(name: string): Host {
    let host = this.hosts.get(name);
    if (host === undefined) {
      host = new Host(name);
      this.hosts.set(name, host);
    }
    return host;
  }
}
