/** failed-stream.ts: a stream that could not be opened; every use of it says why. */
import type { PeerStream } from "../api.js";

export function failedStream(error: Error): PeerStream {
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => Promise.reject(error),
    return: () => Promise.resolve({ done: true, value: undefined }),
  };
  return {
    write: () => Promise.reject(error),
    end: () => {},
    abort: () => {},
    incoming: { [Symbol.asyncIterator]: () => iterator },
  };
}
