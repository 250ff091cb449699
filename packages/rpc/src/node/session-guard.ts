/**
 * session-guard.ts: keeps one connection from taking more of the server than its share, whatever it sends or does not take.
 *
 * What HTTP/2 and its library bound already is left to them: header blocks and CONTINUATION frames (nghttp2), silence (the
 * keepalive of grpc-js: who does not answer a ping within 15 s is gone, which ends all who only hold a socket open or do not read it).
 * Invariants:
 *   G1  pings, SETTINGS and calls cancelled at once above a rate that no honest client reaches end the connection
 *   G2  messages that have not arrived whole take at most `unfinishedBytesMax`, and no longer than `messageMs`
 *   G3  a call that has one request takes one message
 *   G4  what clients have not taken is counted before more is added: see `hasRoom`
 * Source of the frame types that floods are made of: CVE-2019-9512 (pings), CVE-2019-9515 (SETTINGS), CVE-2023-44487 (resets).
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { Bucket } from "./bucket.js";
import type { ConnectionLimits } from "./connection-limits.js";
import { MessageMeter } from "./message-meter.js";

/** An honest client pings at each measurement of its bandwidth, some hundreds a second while it loads. */
const PINGS = { burst: 5_000, perSecond: 1_000 } as const;
/** Calls that are cancelled before anything was answered. Node's own bound is 33 a second, but it lets a thousand through at once first. */
const RESETS = { burst: 300, perSecond: 100 } as const;
/** One at the beginning, and one at each change of a window. */
const SETTINGS = { burst: 500, perSecond: 50 } as const;
/** Of all connections' unfinished bytes, the part that one may have; likewise of answers. */
const UNFINISHED_SHARE = 1 / 4;
const RESPONSE_SHARE = 1 / 8;
/** Where clients leave more than half of the bound waiting, one that took nothing for so long is cut off. */
const UNTAKEN_MS = 5_000;
/** What waits in the streams is summed up no more often; a connection may have hundreds of them that ask. */
const MEASURE_MS = 10;

/** What all guards of a server count together. */
export interface Shared {
  readonly limits: ConnectionLimits;
  /** Paths of the methods that have one request. */
  readonly unaryPaths: ReadonlySet<string>;
  unfinishedBytes: number;
  responseBytes: number;
  cutOff: number;
}

interface Arrival {
  readonly stream: ServerHttp2Stream;
  readonly isUnary: boolean;
  readonly meter: MessageMeter;
  /** When the unfinished message began; null while there is none. */
  beganMs: number | null;
}

export class SessionGuard {
  private readonly session: ServerHttp2Session;
  private readonly shared: Shared;
  private readonly arrivals = new Map<ServerHttp2Stream, Arrival>();
  private readonly onCutOff: () => void;
  private readonly resets = new Bucket(RESETS);
  private unfinished = 0;
  private responses = 0;
  /** Of the responses, messages of streams: they are counted one by one, since much of them waits in grpc-js, where no length of HTTP/2's shows it. */
  private streamed = 0;
  private measuredMs = 0;
  /** When it was last seen to take something, or to have nothing to take. */
  private tookMs = performance.now();
  private isCutOff = false;
  private isGone = false;

  /** @param onCutOff told once when the connection ends for what the other side did. */
  constructor(session: ServerHttp2Session, shared: Shared, onCutOff: () => void) {
    this.session = session;
    this.shared = shared;
    this.onCutOff = onCutOff;
    const pings = new Bucket(PINGS);
    const settings = new Bucket(SETTINGS);
    session.on("ping", () => {
      if (!pings.take()) this.cutOff();
    });
    session.on("remoteSettings", () => {
      if (!settings.take()) this.cutOff();
    });
    session.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.watch(stream, this.shared.unaryPaths.has(headers[":path"] ?? "")),
    );
    session.on("error", (error: NodeJS.ErrnoException) => {
      // Floods and violations that the library itself finds; a connection that broke has another code.
      if (error.code?.startsWith("ERR_HTTP2") === true) this.noteCutOff();
    });
    session.once("close", () => this.forget());
  }

  /**
   * G4: whether an answer may be handed to this connection. One answer is never too much for a connection that has none, nor for all.
   */
  hasRoom(bytes: number): boolean {
    const nowMs = performance.now();
    if (nowMs - this.measuredMs >= MEASURE_MS) this.measure(nowMs);
    const { limits, responseBytes } = this.shared;
    const fitsShare = this.responses === 0 || this.responses + bytes <= limits.responseBytesMax * RESPONSE_SHARE;
    return fitsShare && (responseBytes === 0 || responseBytes + bytes <= limits.responseBytesMax);
  }

  /** What is handed over counts at once, also where many streams ask in the same moment. */
  handed(bytes: number): void {
    this.responses += bytes;
    this.shared.responseBytes += bytes;
  }

  /** Messages of streams were handed over, or (negative) taken by the other side. */
  addStreamed(bytes: number): void {
    if (this.isGone) return;
    this.streamed += bytes;
    this.handed(bytes);
    if (bytes < 0) this.tookMs = performance.now();
  }

  /** Looks at the time that messages take, and at what waits; called now and then. */
  sweep(nowMs: number): void {
    const before = this.responses;
    this.measure(nowMs);
    if (this.responses === 0 || this.responses < before) this.tookMs = nowMs;
    const isShort = this.shared.responseBytes > this.shared.limits.responseBytesMax / 2;
    // Slow readers are welcome as long as there is room for the others.
    if (isShort && nowMs - this.tookMs > UNTAKEN_MS) this.cutOff();
    for (const { stream, beganMs } of this.arrivals.values()) {
      if (beganMs === null || nowMs - beganMs <= this.shared.limits.messageMs) continue;
      this.shared.cutOff++;
      stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  private watch(stream: ServerHttp2Stream, isUnary: boolean): void {
    const arrival: Arrival = { stream, isUnary, meter: new MessageMeter(), beganMs: null };
    this.arrivals.set(stream, arrival);
    // Reads nothing by itself: grpc-js has attached before, and pauses and resumes the stream as it wants messages.
    stream.on("data", (chunk: Buffer) => this.arrived(arrival, chunk));
    stream.once("close", () => {
      if (!this.arrivals.delete(stream)) return;
      this.addUnfinished(-arrival.meter.unfinishedBytes);
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR && !stream.headersSent && !this.resets.take()) this.cutOff();
    });
  }

  private arrived(arrival: Arrival, chunk: Buffer): void {
    const before = arrival.meter.unfinishedBytes;
    const isNews = arrival.meter.feed(chunk);
    const after = arrival.meter.unfinishedBytes;
    if (isNews) arrival.beganMs = after === 0 ? null : performance.now();
    if (arrival.stream.closed) return;
    this.addUnfinished(after - before);
    if (arrival.isUnary && arrival.meter.messages + Math.sign(after) > 1) {
      this.shared.cutOff++;
      arrival.stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
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

  private measure(nowMs: number): void {
    this.measuredMs = nowMs;
    let bytes = this.streamed;
    for (const { stream, isUnary } of this.arrivals.values()) if (isUnary) bytes += stream.writableLength;
    this.shared.responseBytes += bytes - this.responses;
    this.responses = bytes;
  }

  private cutOff(): void {
    if (this.session.destroyed) return;
    this.noteCutOff();
    this.session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  private noteCutOff(): void {
    if (this.isCutOff) return;
    this.isCutOff = true;
    this.shared.cutOff++;
    this.onCutOff();
  }

  private forget(): void {
    this.isGone = true;
    this.arrivals.clear();
    this.shared.responseBytes -= this.responses;
    this.responses = 0;
    this.addUnfinished(-this.unfinished);
  }
}
