/**
 * observer.ts: looks into a running broker from outside: tells the checks what passes between its replicas, their logs and its peers.
 *
 * The code under test knows nothing of it: methods of the objects that the broker is made of are wrapped, before it runs its first replica.
 */
import {
  type Broker,
  type MessageHead,
  messageHead,
  PeerKind,
  type Replica,
  type StateMachine,
} from "@varve/broker/testing";
import type { GroupLog, LogConfig, LogWrite } from "@varve/storage";
import type { Checks, ReplicaView } from "./checks.js";
import type { Hook } from "./hooks.js";
import { wrap } from "./wrap.js";

export interface ObservedBroker {
  readonly name: string;
  readonly broker: Broker;
  readonly checks: Checks;
  /** Replaces what topics say of sizes, which cannot be as small as simulations need them. */
  readonly logConfig: (config: LogConfig) => LogConfig;
  /** Whether its machine's disk was damaged on purpose. */
  readonly mayBeDamaged: () => boolean;
  note(what: string, ...numbers: readonly number[]): void;
  /** A log that runs from now on. */
  onLog(log: GroupLog): void;
  /** A message is about to leave; what this answers is answered to the sender. */
  onSend(to: number, send: () => boolean): boolean;
  /** Reached a place at which a hook may act. */
  reached(hook: Hook): void;
  /** What runs on a log from now on. */
  onStateMachine(stateMachine: StateMachine): void;
  onReplica(replica: Replica): void;
}

/** Messages before which something may happen to their sender. */
const HOOK_OF_MESSAGE: Readonly<Partial<Record<MessageHead["type"], Hook>>> = {
  MsgVoteResp: "vote-before-sent",
  MsgApp: "append-before-sent",
  MsgAppResp: "append-answer-before-sent",
  MsgSnap: "snapshot-before-sent",
  MsgTimeoutNow: "transfer-before-sent",
};

/** From now on everything that matters is told first. */
export function observe(observed: ObservedBroker): void {
  const { broker, checks, logConfig, mayBeDamaged, note } = observed;
  const { storage, host, hub } = broker;
  for (const log of storage.groups()) {
    observed.onLog(log);
    checks.onRecovered(log, mayBeDamaged());
    note("recovered", log.spec.groupId, log.pointers().appliedIndex, log.lastIndex(), log.hardState.term);
    watchLog(log, observed);
  }
  wrap(storage, "createGroup", (create) => async (spec, config) => {
    const log = await create(spec, logConfig(config));
    observed.onLog(log);
    checks.onCreated(log, mayBeDamaged());
    watchLog(log, observed);
    return log;
  });
  wrap(host, "add", (add) => (log, stateMachine) => {
    observed.onStateMachine(stateMachine);
    const view = (): ReplicaView => viewOf(replica);
    const replica: Replica = add(log, watchStateMachine(log, stateMachine, view, observed));
    observed.onReplica(replica);
    return replica;
  });
  wrap(hub, "send", (send) => (to, lane, kind, parts) => {
    const [header] = parts;
    if (kind !== PeerKind.raft || header === undefined) return send(to, lane, kind, parts);
    const head = messageHead(header);
    if (head.type === "MsgVote" || head.type === "MsgVoteResp")
      note(head.type, head.groupId, head.term, to, head.reject ? 1 : 0);
    checks.onSent(head);
    const hook = HOOK_OF_MESSAGE[head.type];
    if (hook !== undefined) observed.reached(hook);
    return observed.onSend(to, () => send(to, lane, kind, parts));
  });
}

function viewOf(replica: Replica): ReplicaView {
  const { term, commit } = replica.node;
  return { term, commit, isLeader: replica.isLeader(), isServing: replica.isReadyLeader() };
}

function watchLog(log: GroupLog, observed: ObservedBroker): void {
  const { checks, logConfig } = observed;
  wrap(log, "setConfig", (setConfig) => (config) => setConfig(logConfig(config)));
  wrap(log, "setSectionSource", (setSource) => (source) => {
    checks.groupState.onSource(log, source);
    setSource(source);
  });
  wrap(log, "setReplicas", (setReplicas) => (index, replicas) => {
    checks.onReplicas(log, index, replicas);
    setReplicas(index, replicas);
  });
  wrap(log, "save", (save) => (write: LogWrite, onDurable: () => void) => {
    save(write, () => {
      checks.onDurable(log);
      onDurable();
    });
    checks.onSaved(log, write);
    if (write.reset !== null) observed.reached("snapshot-before-install");
  });
}

function watchStateMachine(
  log: GroupLog,
  inner: StateMachine,
  view: () => ReplicaView,
  { checks, note, reached }: ObservedBroker,
): StateMachine {
  const { groupId } = log.spec;
  return {
    apply: (frames) => {
      note("apply", groupId, frames[0]?.index ?? 0, frames.length, view().term);
      checks.onApplying(log, frames, view());
      inner.apply(frames);
    },
    applied: (frames) => {
      checks.onApplied(log, frames, view());
      reached("applied-before-answer");
      inner.applied(frames);
    },
    durable: (index, term) => inner.durable(index, term),
    reset: (snapshot) => inner.reset(snapshot),
    roleChanged: (role) => {
      note(role.kind, groupId, role.term);
      if (role.kind === "leader") {
        checks.onLeader(log, view());
        reached(role.ready ? "leader-before-serving" : "leader-before-noop");
      }
      inner.roleChanged(role);
    },
  };
}
