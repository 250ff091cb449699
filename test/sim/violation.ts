/**
 * violation.ts: how a run says that something which must hold does not.
 */
export class Violation extends Error {
  override readonly name = "Violation";
  /** Which invariant; the names stand in `invariants/`. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}

/** @throws Violation when `condition` is false. */
export function hold(invariant: string, condition: boolean, message: () => string): void {
  if (!condition) throw new Violation(invariant, message());
}
