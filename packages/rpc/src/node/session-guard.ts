/**
 * session-guard.ts: keeps one connection from taking more of the server than its share, whatever it sends or does not take.
 *
 * What HTTP/2 and its library bound already is left to them: header blocks, CONTINUATION frames and resets (nghttp2), silence (the
 * keepalive of grpc-js: who does not answer a ping within 15 s is gone, which ends all who only hold a socket open or do not read it).
 * Invariants:
 *   G1  pings and SETTINGS above a rate that no honest client reaches end the connection
 *   G2  messages that have not arrived whole take at most `unfinishedBytesMax`, and no longer than `messageMs`
 *   G3  what clients have not taken is counted before more is added: see `hasRoom`
 * Source of the frame types that floods are made of: CVE-2019-9512 (pings), CVE-2019-9515 (SETTINGS), CVE-2023-44487 (resets).
 */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { ConnectionLimits } from "./connection-limits.js";
import { MessageMeter } from "./message-meter.js";

/** An honest client pings at each measurement of its bandwidth, some hundreds a second while it loads. */
const PINGS = { burst: 5_000, perSecond: 1_000 } as const;
/** One at the beginning, and one at each change of a window. */
const SETTINGS = { burst: 500, perSecond: 50 } as const;
/** Of all connections' unfinished bytes, the part that one may have; likewise of answers. */
const UNFINISHED_SHARE = 1 / 4;
const RESPONSE_SHARE = 1 / 8;

/** What all guards of a server count together. */
export interface Shared {
  readonly limits: ConnectionLimits;
  unfinishedBytes: number;
  responseBytes: number;
  cutOff: number;
}

/** Tokens that come back over time. */
class Bucket {
  private tokens: number;
  private atMs = performance.now();
  private readonly rate: { readonly burst: number; readonly perSecond: number };

  constructor(rate: { readonly burst: number; readonly perSecond: number }) {
    this.rate = rate;
    this.tokens = rate.burst;
  }

  take(): boolean {
    const nowMs = performance.now();
    const { burst, perSecond } = this.rate;
    this.tokens = Math.min(burst, this.tokens + ((nowMs - this.atMs) * perSecond) / 1_000);
    this.atMs = nowMs;
    this.tokens -= 1;
    return this.tokens >= 0;
  }
}

interface Arrival {
  readonly stream: ServerHttp2Stream;
  readonly meter: MessageMeter;
  /** When the unfinished message began; null while there is none. */
  beganMs: number | null;
}

export class SessionGuard {
  private readonly session: ServerHttp2Session;
  private readonly shared: Shared;
  private readonly arrivals = new Map<ServerHttp2Stream, Arrival>();
  private unfinished = 0;
  private responses = 0;

  constructor(session: ServerHttp2Session, shared: Shared) {
    this.session = session;
    this.shared = shared;
    const pings = new Bucket(PINGS);
    const settings = new Bucket(SETTINGS);
    session.on("ping", () => {
      if (!pings.take()) this.cutOff();
    });
    session.on("remoteSettings", () => {
      if (!settings.take()) this.cutOff();
    });
    session.on("stream", (stream: ServerHttp2Stream) => this.watch(stream));
    session.once("close", () => this.forget());
  }

  /**
   * G3: whether an answer may be handed to this connection. It always may while nothing large waits: one answer is never too much.
   */
  hasRoom(bytes: number): boolean {
    const { limits } = this.shared;
    this.measure();
    if (this.responses === 0) return true;
    return (
      this.responses + bytes <= limits.responseBytesMax * RESPONSE_SHARE &&
      this.shared.responseBytes + bytes <= limits.responseBytesMax
    );
  }

  /** Looks at the time that messages take, and at what waits; called now and then. */
  sweep(nowMs: number): void {
    this.measure();
    for (const { stream, beganMs } of this.arrivals.values()) {
      if (beganMs === null || nowMs - beganMs <= this.shared.limits.messageMs) continue;
      this.shared.cutOff++;
      stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  private watch(stream: ServerHttp2Stream): void {
    const arrival: Arrival = { stream, meter: new MessageMeter(), beganMs: null };
    this.arrivals.set(stream, arrival);
    // Reads nothing by itself: grpc-js has attached before, and pauses and resumes the stream as it wants messages.
    stream.on("data", (chunk: Buffer) => this.arrived(arrival, chunk));
    stream.once("close", () => {
      this.arrivals.delete(stream);
      this.addUnfinished(-arrival.meter.unfinishedBytes);
    });
  }

  private arrived(arrival: Arrival, chunk: Buffer): void {
    const before = arrival.meter.unfinishedBytes;
    const isNews = arrival.meter.feed(chunk);
    const after = arrival.meter.unfinishedBytes;
    if (isNews) arrival.beganMs = after === 0 ? null : performance.now();
    if (arrival.stream.closed) return;
    this.addUnfinished(after - before);
    const { limits, unfinishedBytes } = this.shared;
    if (after <= before || after < chunk.length) return;
    if (this.unfinished <= limits.unfinishedBytesMax * UNFINISHED_SHARE && unfinishedBytes <= limits.unfinishedBytesMax)
      return;
    this.shared.cutOff++;
    arrival.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  private addUnfinished(bytes: number): void {
    this.unfinished += bytes;
    this.shared.unfinishedBytes += bytes;
  }

  private measure(): void {
    let bytes = 0;
    for (const stream of this.arrivals.keys()) bytes += stream.writableLength;
    this.shared.responseBytes += bytes - this.responses;
    this.responses = bytes;
  }

  private cutOff(): void {
    if (this.session.destroyed) return;
    this.shared.cutOff++;
    this.session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  private forget(): void {
    this.shared.responseBytes -= this.responses;
    this.responses = 0;
    this.addUnfinished(-this.unfinished);
    this.arrivals.clear();
  }
}
