/**
 * health.ts: grpc.health.v1: whether the server, and each of its services, takes calls.
 *
 * Source: grpc.github.io/grpc, "GRPC Health Checking Protocol".
 */

import { onAbort } from "@varve/base";
import type { HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse } from "../gen/grpc.js";
import {
  HealthCheckRequestCodec,
  HealthCheckResponseCodec,
  HealthListRequestCodec,
  HealthListResponseCodec,
  HealthCheckResponseServingStatus as ServingStatus,
} from "../gen/grpc.js";
import { defineMethod } from "../methods.js";
import type { BidiHandler, UnaryHandler } from "../server.js";

const SERVICE = "grpc.health.v1.Health";

/** Check and List are unary; Watch streams its answers, which a server of streams in both directions does as well. */
export const HEALTH_METHODS = {
  check: defineMethod("unary", 0, SERVICE, "Check", HealthCheckRequestCodec, HealthCheckResponseCodec),
  watch: defineMethod("bidi", 0, SERVICE, "Watch", HealthCheckRequestCodec, HealthCheckResponseCodec),
  list: defineMethod("unary", 0, SERVICE, "List", HealthListRequestCodec, HealthListResponseCodec),
} as const;

/** A service that nobody knows; the caller answers NOT_FOUND. */
export class UnknownService extends Error {}

/** Holds the one serving state, answers about it and tells watchers when it changes. */
export class Health {
  private serving = false;
  private readonly services = new Set<string>([""]);
  private readonly watchers = new Set<() => void>();

  addService(name: string): void {
    this.services.add(name);
  }

  setServing(serving: boolean): void {
    if (this.serving === serving) return;
    this.serving = serving;
    for (const wake of [...this.watchers]) wake();
  }

  readonly check: UnaryHandler<HealthCheckRequest, HealthCheckResponse> = async ({ service }) => {
    if (!this.services.has(service)) throw new UnknownService();
    return { status: this.status(service) };
  };

  readonly list: UnaryHandler<HealthListRequest, HealthListResponse> = async () => ({
    statuses: Object.fromEntries([...this.services].map((service) => [service, { status: this.status(service) }])),
  });

  readonly watch: BidiHandler<HealthCheckRequest, HealthCheckResponse> = async (stream, { signal }) => {
    let service = "";
    for await (const request of stream.requests) {
      service = request.service;
      break;
    }
    let told: ServingStatus | null = null;
    while (!signal.aborted) {
      const status = this.status(service);
      if (status !== told) await stream.write({ status });
      told = status;
      if (this.status(service) === told) await this.change(signal);
    }
  };

  private status(service: string): ServingStatus {
    if (!this.services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.watchers.delete(wake);
        forget();
        resolve();
      };
      this.watchers.add(wake);
      const forget = onAbort(signal, wake);
      if (signal.aborted) wake();
    });
  }
}
