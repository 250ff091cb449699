/**
 * errors.ts: what a caller of the core has to expect in normal life.
 *
 * Invariants:
 *   E1  when one of these is thrown, the call had no effect
 */

/** The proposal did not enter any log: this node knows no leader, hands over, was removed, or has too much unapplied. */
export class ProposalDropped extends Error {
  override readonly name = "ProposalDropped";
  constructor(readonly reason: ProposalDroppedReason) {
    super("raft proposal dropped");
  }
}

/** Why a proposal was dropped. */
export type ProposalDroppedReason =
  | "no-leader"
  | "no-forwarding"
  | "removed"
  | "transferring"
  | "too-much-uncommitted"
  | "conf-change-refused";

/** A membership change that the current configuration does not allow. */
export class ConfChangeError extends Error {
  override readonly name = "ConfChangeError";
}

/** Bytes that are no encoded membership change. */
export class ConfChangeDecodeError extends Error {
  override readonly name = "ConfChangeDecodeError";
}
