/**
 * ops-worker.ts: the thread of the operators' port. It answers probes of the process by itself, and passes all else on to the broker's event loop.
 *
 * Requests that wait for the broker are bounded by the connections of the server, and each by a time of its own.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assertDefined } from "@varve/base";
import type { Liveness } from "../ops/readiness.js";
import { answerMsMax, type OpsResponse, type ProbeSource, probeResponse, silentResponse } from "../ops/routes.js";
import { StallWatch } from "../ops/stall-watch.js";
import { startHttpFront } from "./http-front.js";
import type { FromOpsThread, OpsThreadData, ToOpsThread } from "./ops-thread.js";

/** Time between two looks at the beats, and the most of it that counts as a stall when this thread itself was held up. */
const LOOK_MS = 250;
const LOOK_MS_MAX = 1_000;

const port = assertDefined(parentPort, "this file runs in a worker thread");
const data = workerData as OpsThreadData;
const beats = new Int32Array(data.beats);
const stall = new StallWatch(performance.now(), LOOK_MS_MAX);
const waiting = new Map<number, (response: OpsResponse) => void>();
let { known } = data;
let requests = 0;

const probes: ProbeSource = {
  liveness: (): Liveness => {
    if (stall.stalledMs < data.hungLoopMs) return known.liveness;
    const why = `the event loop has not turned for ${Math.floor(stall.stalledMs / 1_000)} s`;
    return { live: false, reasons: [...known.liveness.reasons, why] };
  },
  startup: () => known.startup,
};

function tell(message: FromOpsThread): void {
  port.postMessage(message);
}

async function answer(method: string, target: string): Promise<OpsResponse> {
  return probeResponse(method, target, probes) ?? (await fromBroker(method, target));
}

function fromBroker(method: string, target: string): Promise<OpsResponse> {
  const request = ++requests;
  const limitMs = answerMsMax(target, data.stopGateMs);
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(silentResponse(target, limitMs)), limitMs);
    const finish = (response: OpsResponse): void => {
      clearTimeout(timer);
      waiting.delete(request);
      resolve(response);
    };
    waiting.set(request, finish);
    tell({ kind: "request", request, method, target });
  });
}

setInterval(() => stall.look(Atomics.load(beats, 0), performance.now()), LOOK_MS);
const front = startHttpFront({ address: data.address, port: data.port, answer });
port.on("message", (message: ToOpsThread) => {
  switch (message.kind) {
    case "known":
      known = message.facts;
      return;
    case "answer":
      waiting.get(message.request)?.(message.response);
      return;
    case "close":
      void front.then((opened) => opened.close()).then(() => tell({ kind: "closed" }));
  }
});
front.then(
  (opened) => tell({ kind: "listening", port: opened.port }),
  (error: Error) => tell({ kind: "refused", why: error.cause instanceof Error ? error.cause.message : error.message }),
);
