/** core.ts: the client without a world: for simulators and other runtimes, which bring their own ports. */
export type { VarveOptions } from "./options.js";
export type { ClientPorts, Diagnostics, DiagnosticsChannel } from "./ports.js";
export { VarveClient } from "./varve.js";
