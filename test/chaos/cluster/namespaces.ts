/**
 * namespaces.ts: every broker in a network namespace of its own, joined by a bridge: packets are really lost, connections really stand half open, and
 * nothing of a proxy is in between.
 *
 * One direction is cut by telling the sender's kernel that the receiver has an address of the link layer that nobody has: what is sent leaves and
 * reaches nobody, silently, without a packet filter. Needs root and the `ip` command of Linux. All of it lives in a namespace of the run and is
 * gone with its last process. Delay and loss need the kernel's netem, which many lack: they are left to the proxies.
 */
import { execFileSync, spawn } from "node:child_process";
import { constants } from "node:os";
import { assert } from "@varve/base";
import { type BrokerPlace, placeBrokers } from "varve";
import type { LinkState } from "./directed-link.js";
import { CLIENTS, type Fabric } from "./fabric.js";

const NET = "10.77.0";
const PORTS = { grpc: 7_650, peer: 7_651, ops: 7_652 } as const;
/** A locally administered address that no interface of the run has. */
const NOBODY = "02:00:00:00:00:99";
/** Says to the program that it runs in a namespace of its own already. */
const INSIDE = "VARVE_CHAOS_NAMESPACE";
const PROBE = "ip link add probe0 type veth peer name probe1";
const SET_UP = [
  "mount --make-rprivate /",
  "mkdir -p /run/netns",
  "mount -t tmpfs none /run/netns",
  "ip link set lo up",
  "ip link add hub type bridge",
  `ip addr add ${NET}.1/24 dev hub`,
  "ip link set hub up",
].join(" && ");

export const isInside = (): boolean => process.env[INSIDE] !== undefined;

/** Why there are none here; null: there are. */
export function namespaceProblem(): string | null {
  if (process.platform !== "linux") return `${process.platform} has no network namespaces`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    execFileSync("unshare", ["--net", "--mount", "sh", "-c", PROBE], { stdio: "ignore" });
    return null;
  } catch {
    return "unshare and ip cannot make a network namespace with interfaces here";
  }
}

/** Runs this program again in a namespace of its own; resolves with its exit code. Signals are passed on. */
export function runInside(): Promise<number> {
  const args = ["--net", "--mount", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // A process group of its own: what the terminal sends comes once, from here.
  const child = spawn("unshare", args, { stdio: "inherit", detached: true, env: { ...process.env, [INSIDE]: "1" } });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

const addressOf = (id: number): string => `${NET}.${id === CLIENTS ? 1 : 10 + id}`;
const nameOf = (id: number): string => `broker-${id}`;

export class Namespaces implements Fabric {
  readonly outer: readonly BrokerPlace[];
  readonly inner: readonly BrokerPlace[];
  private readonly cuts = new Set<string>();

  constructor(folder: string, brokers: number) {
    assert(isInside(), "the program runs in a namespace of its own");
    const ports = Array.from({ length: brokers }, () => PORTS);
    this.inner = placeBrokers(folder, ports).map((place) => ({
      ...place,
      grpc: `${addressOf(place.id)}:${PORTS.grpc}`,
      peer: `${addressOf(place.id)}:${PORTS.peer}`,
      ops: `${addressOf(place.id)}:${PORTS.ops}`,
    }));
    this.outer = this.inner;
  }

  launcher(id: number): readonly string[] {
    return ["ip", "netns", "exec", nameOf(id)];
  }

  async open(): Promise<void> {
    execFileSync("sh", ["-c", SET_UP]);
    for (const { id } of this.inner) {
      ip("netns", "add", nameOf(id));
      ip("link", "add", `port${id}`, "type", "veth", "peer", "name", "eth0", "netns", nameOf(id));
      ip("link", "set", `port${id}`, "master", "hub", "up");
      ip("-n", nameOf(id), "addr", "add", `${addressOf(id)}/24`, "dev", "eth0");
      for (const device of ["lo", "eth0"]) ip("-n", nameOf(id), "link", "set", device, "up");
    }
  }

  /** The kernel knows by itself. */
  async setAlive(): Promise<void> {}

  async change(from: number, to: number, state: LinkState): Promise<void> {
    assert(state.kind === "open" || state.kind === "held", "namespaces cut links and do nothing else to them");
    const name = `${from}>${to}`;
    const isHeld = state.kind === "held";
    if (isHeld === this.cuts.has(name)) return;
    const place = from === CLIENTS ? [] : ["-n", nameOf(from)];
    const device = from === CLIENTS ? "hub" : "eth0";
    if (isHeld) ip(...place, "neigh", "replace", addressOf(to), "lladdr", NOBODY, "nud", "permanent", "dev", device);
    else ip(...place, "neigh", "del", addressOf(to), "dev", device);
    if (isHeld) this.cuts.add(name);
    else this.cuts.delete(name);
  }

  async divide(left: readonly number[], right: readonly number[], state: LinkState = { kind: "held" }): Promise<void> {
    for (const one of left) {
      for (const other of right) {
        await this.change(one, other, state);
        await this.change(other, one, state);
      }
    }
  }

  async heal(): Promise<void> {
    for (const name of [...this.cuts]) {
      const [from = "", to = ""] = name.split(">");
      await this.change(Number(from), Number(to), { kind: "open" });
    }
  }

  /** Connections break by themselves when they were cut for long. */
  reset(): void {}

  /** The namespaces end with this process. */
  close(): void {}
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
