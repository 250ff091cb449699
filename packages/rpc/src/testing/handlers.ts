/**
 * handlers.ts: services that refuse everything, for tests that care about a few methods only.
 */
import { VarveError } from "@varve/base";
import { ADMIN_METHODS, GROUP_METHODS, LOG_METHODS } from "../methods.js";
import type { AdminServiceHandlers, GroupServiceHandlers, LogServiceHandlers } from "../server.js";

async function refuse(): Promise<never> {
  throw new VarveError("INVALID_ARGUMENT", { message: "this method is not served in this test" });
}

function refusing<Handlers>(methods: object, given: Partial<Handlers>): Handlers {
  return { ...Object.fromEntries(Object.keys(methods).map((name) => [name, refuse])), ...given } as Handlers;
}

/** LogService with these methods; the others refuse with INVALID_ARGUMENT. */
export function logHandlers(given: Partial<LogServiceHandlers>): LogServiceHandlers {
  return refusing(LOG_METHODS, given);
}

/** GroupService with these methods; the others refuse with INVALID_ARGUMENT. */
export function groupHandlers(given: Partial<GroupServiceHandlers>): GroupServiceHandlers {
  return refusing(GROUP_METHODS, given);
}

/** AdminService with these methods; the others refuse with INVALID_ARGUMENT. */
export function adminHandlers(given: Partial<AdminServiceHandlers>): AdminServiceHandlers {
  return refusing(ADMIN_METHODS, given);
}
