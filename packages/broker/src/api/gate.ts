/**
 * gate.ts: refuses all calls while a broker is no member any more: what it knows grows old, and clients must not build on it.
 */
import { VarveError } from "@varve/base";

/** The same handlers behind the question whether they may be called. New streams are refused; open ones end with what they ask next. */
export function gated<Handlers extends object>(handlers: Handlers, refusal: () => VarveError | null): Handlers {
  const behind = Object.entries(handlers).map(([name, handler]) => [
    name,
    async (...call: unknown[]): Promise<unknown> => {
      const refused = refusal();
      if (refused !== null) throw refused;
      return handler(...call);
    },
  ]);
  return Object.fromEntries(behind) as Handlers;
}

export function decommissioned(brokerId: number): VarveError {
  return new VarveError("SHUTTING_DOWN", {
    message: `broker ${brokerId} was decommissioned: it holds nothing any more and may be stopped; nothing was done; ask another broker`,
    details: { brokerId },
    effect: "NOT_APPLIED",
  });
}
