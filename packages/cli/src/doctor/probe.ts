/**
 * probe.ts: the real Probe: this machine's resolver, TCP, HTTP and the SDK, each with a bound of time.
 */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { ClusterClient, GlobalOptions, Shell } from "../shell/shell.js";
import type { Probe } from "./examine.js";

/** Time for each step of each address. */
const STEP_MS = 3_000;

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (connection refused)",
  ENOTFOUND: "its name has no address here",
  EAI_AGAIN: "the resolver does not answer",
  EHOSTUNREACH: "there is no way there from here",
  ENETUNREACH: "there is no way there from here",
  ETIMEDOUT: "nobody answers there",
};

export function nodeProbe(shell: Pick<Shell, "connect">, { tls }: Pick<GlobalOptions, "tls">): Probe {
  return {
    resolve: async (host) => {
      try {
        const found = await within(lookup(host, { all: true }), "the resolver does not answer");
        return [...new Set(found.map(({ address }) => address))];
      } catch (error) {
        throw inWords(error);
      }
    },
    connect: connectTo,
    clusterId: (address) => clusterIdAt(() => shell.connect([address], tls)),
    brokerId: brokerIdAt,
  };
}

function connectTo(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: STEP_MS });
    const end = (error: Error | null): void => {
      socket.destroy();
      if (error === null) resolve();
      else reject(inWords(error));
    };
    socket.once("connect", () => end(null));
    socket.once("timeout", () => end(new Error(silence())));
    socket.once("error", end);
  });
}

async function clusterIdAt(open: () => Promise<ClusterClient>): Promise<string> {
  const client = await open();
  try {
    const signal = AbortSignal.timeout(STEP_MS);
    const asked = client.admin.describeCluster({ signal });
    const { clusterId } = await within(asked, `it accepts connections, and ${silence()}`);
    return clusterId;
  } finally {
    // Closing may wait for what does not answer; the process ends anyway.
    void client.close().catch(() => {});
  }
}

async function brokerIdAt(address: string): Promise<number> {
  try {
    const answer = await fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(STEP_MS) });
    const body: unknown = await answer.json();
    const id = typeof body === "object" && body !== null && "brokerId" in body ? body.brokerId : null;
    if (typeof id === "number") return id;
  } catch {
    // Said below: whatever answered was no broker's ops port.
  }
  throw new Error("what answers there is no operators' port of a broker");
}

/** The same promise, but for a limit of time. */
async function within<T>(promise: Promise<T>, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(late)), STEP_MS);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function silence(): string {
  return `nobody answers within ${STEP_MS / 1_000} s`;
}

function inWords(error: unknown): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const text = error instanceof Error ? error.message : String(error);
  return new Error(WORDS[code] ?? text);
}
