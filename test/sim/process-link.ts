/**
 * process-link.ts: a host's Link whose events reach the process through its clock, so that a paused process hears nothing.
 */
import type { Link, LinkConnection } from "@varve/base";
import type { ProcessClock } from "./process-clock.js";

/** The link as the process of `clock` uses it. */
export function processLink(inner: Link, clock: ProcessClock): Link {
  return {
    listen: (host, port, onConnection) =>
      inner.listen(host, port, (connection) => clock.enter(() => onConnection(processConnection(connection, clock)))),
    dial: (address) => processConnection(inner.dial(address), clock),
  };
}

function processConnection(inner: LinkConnection, clock: ProcessClock): LinkConnection {
  let isDestroyed = false;
  const enter = (work: () => void): void =>
    clock.enter(() => {
      if (!isDestroyed) work();
    });
  return {
    remoteAddress: inner.remoteAddress,
    get bufferedBytes() {
      return inner.bufferedBytes;
    },
    start: (handlers) =>
      inner.start({
        onData: (chunk) => enter(() => handlers.onData(chunk)),
        onDrain: () => enter(() => handlers.onDrain?.()),
        onClose: (reason) => enter(() => handlers.onClose(reason)),
      }),
    write: (buffers) => inner.write(buffers),
    pause: () => inner.pause(),
    resume: () => inner.resume(),
    end: () => inner.end(),
    destroy: () => {
      isDestroyed = true;
      inner.destroy();
    },
  };
}
