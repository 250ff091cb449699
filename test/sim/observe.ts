/**
 * observe.ts: tells the checks what passes between a replica, its log and its partition.
 */
import type { StateMachine } from "@varve/broker/testing";
import type { Frame, GroupLog, LogWrite } from "@varve/storage";
import type { Checks } from "./checks.js";

/** From now on every write of this log, and its durability, is told first. */
export function watchLog(log: GroupLog, checks: Checks): void {
  const save = log.save.bind(log);
  const watched = (write: LogWrite, onDurable: () => void): void => {
    save(write, () => {
      checks.onDurable(log);
      onDurable();
    });
    checks.onSaved(log, write);
  };
  Object.defineProperty(log, "save", { value: watched });
}

/** `inner`, with `onApply` called before each of its `apply`. */
export function watchStateMachine(inner: StateMachine, onApply: (frames: readonly Frame[]) => void): StateMachine {
  return {
    apply: (frames) => {
      onApply(frames);
      inner.apply(frames);
    },
    applied: (frames) => inner.applied(frames),
    durable: (index, term) => inner.durable(index, term),
    reset: (snapshot) => inner.reset(snapshot),
    roleChanged: (role) => inner.roleChanged(role),
  };
}
