/**
 * peer-kinds.ts: the numbers of messages, calls and streams between brokers. On the wire: never renumbered or reused.
 */

/** One-way messages. */
export const PeerKind = {
  /** A Raft message of one group. */
  raft: 1,
  /** Groups that the sender leads. */
  leaders: 2,
  /** The sender's disk is slow: no leadership does well there. Empty. */
  slowDisk: 3,
  /** The receiver's directory is retired: it is no member any more. Empty. */
  retired: 4,
  /** The sender is about to stop: stop-notices.ts. */
  stopping: 5,
} as const;

/** Calls with an answer. */
export const PeerMethod = {
  /** A public unary call, forwarded to the broker that can answer it. */
  forward: 1,
  /** Founding: ask for a promise. */
  promise: 2,
  /** Joining: ask to become a member of the cluster. */
  join: 3,
  /** A command for the controller's leader. */
  command: 4,
  /** A linearizable point of the controller's log. */
  controllerRead: 5,
  /** Groups that the answering broker leads, and whether it is ready. */
  status: 6,
  /** Hand the leadership of a group to another replica. */
  transfer: 7,
} as const;
