/**
 * ops-thread.ts: the operators' port in a thread of its own, and what this side does for it: it beats, says what it knows, and answers what only the
 * broker can.
 *
 * Invariants:
 *   T1  the thread hears of a beat only from a turn of this event loop, so that a loop that hangs falls silent
 *   T2  the thread does not keep the process alive
 */
// The declaration speaks of URL; TypeScript 7 would not include its types unless a program asked.
/// <reference types="node" preserve="true" />
import { Worker } from "node:worker_threads";
import type { Logger, VarveError } from "@varve/base";
import {
  type Liveness,
  type OpsResponse,
  type OpsScope,
  type OpsSource,
  opsResponse,
  type Startup,
} from "../ops/index.js";
import { type HttpFront, portUnusable } from "./http-front.js";

export interface OpsThreadOptions {
  readonly address: string;
  readonly port: number;
  readonly source: OpsSource;
  readonly scope: OpsScope;
  readonly hungLoopMs: number;
  readonly stopGateMs: number;
  readonly logger: Logger;
  /** For tests. */
  readonly program?: URL;
}

/** What the thread begins with. */
export interface OpsThreadData {
  readonly address: string;
  readonly port: number;
  readonly hungLoopMs: number;
  readonly stopGateMs: number;
  readonly beats: SharedArrayBuffer;
  readonly known: ProbeFacts;
}

/** What the thread answers probes from. */
export interface ProbeFacts {
  readonly liveness: Liveness;
  readonly startup: Startup;
}

/** To the thread. */
export type ToOpsThread =
  | { readonly kind: "known"; readonly facts: ProbeFacts }
  | { readonly kind: "answer"; readonly request: number; readonly response: OpsResponse }
  | { readonly kind: "close" };

/** From the thread. */
export type FromOpsThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "request"; readonly request: number; readonly method: string; readonly target: string }
  | { readonly kind: "closed" };

/** Time between two beats; what is known is told with them when it has changed. */
const BEAT_MS = 250;

/**
 * Resolves when the port accepts connections.
 * @throws VarveError ADDRESS_UNUSABLE.
 */
export function startOpsThread(options: OpsThreadOptions): Promise<HttpFront> {
  const { address, port, source, scope, hungLoopMs, stopGateMs, logger } = options;
  const beats = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const known = (): ProbeFacts => ({ liveness: source.liveness(), startup: source.startup() });
  const data: OpsThreadData = { address, port, hungLoopMs, stopGateMs, beats, known: known() };
  const program = options.program ?? new URL("./ops-worker.js", import.meta.url);
  const worker = new Worker(program, { workerData: data });
  const tell = (message: ToOpsThread): void => worker.postMessage(message);
  const beat = startBeat(new Int32Array(beats), known, (facts) => tell({ kind: "known", facts }));
  return new Promise((resolve, reject) => {
    let onClosed: () => void = () => {};
    const fail = (error: VarveError): void => {
      beat.stop();
      void worker.terminate();
      reject(error);
    };
    worker.on("message", (message: FromOpsThread) => {
      switch (message.kind) {
        case "listening":
          worker.unref(); // T2
          resolve({ port: message.port, close: () => close() });
          return;
        case "refused":
          fail(portUnusable(`${address}:${port}`, message.why));
          return;
        case "request": {
          const { request, method, target } = message;
          void opsResponse(method, target, source, scope).then((response) =>
            tell({ kind: "answer", request, response }),
          );
          return;
        }
        case "closed":
          onClosed();
      }
    });
    worker.on("error", (error) => {
      logger.error({ err: error }, "the thread of the operators' port has failed: probes are not answered any more");
      fail(portUnusable(`${address}:${port}`, error.message, error));
    });
    const close = async (): Promise<void> => {
      beat.stop();
      worker.ref();
      await new Promise<void>((closed) => {
        onClosed = closed;
        worker.once("exit", closed);
        tell({ kind: "close" });
      });
      await worker.terminate();
    };
  });
}

function startBeat(beats: Int32Array, known: () => ProbeFacts, tell: (facts: ProbeFacts) => void): { stop(): void } {
  let told = JSON.stringify(known());
  const timer = setInterval(() => {
    Atomics.add(beats, 0, 1); // T1
    const facts = known();
    const text = JSON.stringify(facts);
    if (text === told) return;
    told = text;
    tell(facts);
  }, BEAT_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
