/** logger.ts: pino behind the Logger port: one JSON object a line on stdout. */
import type { Logger } from "@varve/base";
import { pino, stdTimeFunctions } from "pino";

export function createLogger(level: "debug" | "info" | "warn" | "error", brokerId: number): Logger {
  return pino({ level, base: { brokerId }, timestamp: stdTimeFunctions.isoTime });
}
