/**
 * message-meter.ts: how much of a message has arrived on one gRPC stream, without keeping any of it.
 *
 * A message is one byte of flags, its length as u32 in network order, and its bytes. Source: grpc.io, "gRPC over HTTP2", Length-Prefixed-Message.
 */

const PREFIX_BYTES = 5;

export class MessageMeter {
  private prefixBytes = 0;
  private length = 0;
  private bodyBytes = 0;
  private ended = 0;

  /** Messages that have arrived whole. */
  get messages(): number {
    return this.ended;
  }

  /** Bytes of the message that has begun and not ended. */
  get unfinishedBytes(): number {
    return this.prefixBytes + this.bodyBytes;
  }

  /** Takes note of the next bytes of the stream; says whether a message ended or began in them. */
  feed(chunk: Uint8Array): boolean {
    let at = 0;
    let isNews = this.unfinishedBytes === 0 && chunk.length > 0;
    while (at < chunk.length) {
      if (this.prefixBytes < PREFIX_BYTES) {
        if (this.prefixBytes > 0) this.length = this.length * 256 + (chunk[at] ?? 0);
        this.prefixBytes++;
        at++;
      } else {
        const taken = Math.min(chunk.length - at, this.length - this.bodyBytes);
        this.bodyBytes += taken;
        at += taken;
      }
      if (this.prefixBytes < PREFIX_BYTES || this.bodyBytes < this.length) continue;
      this.prefixBytes = 0;
      this.length = 0;
      this.bodyBytes = 0;
      this.ended++;
      isNews = true;
    }
    return isNews;
  }
}
