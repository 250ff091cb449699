/**
 * startup.ts: how far a start has come: the answer of /startupz, for supervisors that must not end a broker that recovers.
 */

/** The answer of /startupz. Phases follow one another: recovering, opening, started; the last is final. */
export interface Startup {
  readonly started: boolean;
  /** `recovering`: the data folder is read; `opening`: the listeners are opened. */
  readonly phase: "recovering" | "opening" | "started";
  readonly logsRecovered: number;
  /** Logs in the data folder; 0 until they have been counted. */
  readonly logs: number;
  readonly bytesRead: number;
}

/** Before anything was read. */
export const NOT_STARTED: Startup = { started: false, phase: "recovering", logsRecovered: 0, logs: 0, bytesRead: 0 };
