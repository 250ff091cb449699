/**
 * failure.ts: how a command fails: the exit code, and what is said about it, for people and for programs.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { AssertionError, type ErrorDetails, VarveError } from "@varve/base";
import { CommanderError } from "commander";
import type { Environment } from "./environment.js";
import type { Output } from "./output.js";
import { styleFor } from "./style.js";
import { inOptions } from "./tls-options.js";

export const EXIT = { done: 0, failed: 1, usage: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command line asks for something that cannot be meant. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command has said all there is to say; only its exit code is missing. */
export class QuietFailure extends Error {
  override readonly name = "QuietFailure";
}

/** Codes of the SDK whose texts name its settings. */
const ABOUT_OPTIONS: readonly string[] = ["TLS_FAILED", "INVALID_ARGUMENT"];

/** The object that stderr gets with --json, under `error`. */
export interface FailureReport {
  readonly code: string;
  readonly effect: string;
  readonly retryable: boolean;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** Says on stderr why a command ended and returns its exit code. */
export function reportFailure(thrown: unknown, stderr: Output, env: Environment, json: boolean): ExitCode {
  if (thrown instanceof QuietFailure) return EXIT.failed;
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.done;
  const usage = thrown instanceof UsageError || thrown instanceof CommanderError;
  const report = usage ? usageReport(thrown) : failureReport(thrown);
  if (json) void stderr.write(`${JSON.stringify({ error: report })}\n`);
  else if (report.message !== "") void stderr.write(forPeople(report, usage, styleFor(stderr, env).red("error:")));
  return usage ? EXIT.usage : EXIT.failed;
}

function usageReport(error: UsageError | CommanderError): FailureReport {
  // Called without a subcommand, commander has printed the help already.
  const message = error instanceof CommanderError && error.code === "commander.help" ? "" : error.message;
  return {
    code: "INVALID_ARGUMENT",
    effect: "NOT_APPLIED",
    retryable: false,
    message: message.replace(/^error: /, ""),
    details: {},
  };
}

function failureReport(thrown: unknown): FailureReport {
  if (thrown instanceof VarveError) {
    const { code, effect, retryable, details } = thrown;
    const message = ABOUT_OPTIONS.includes(code) ? inOptions(thrown.message) : thrown.message;
    return { code, effect, retryable, message, details };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const bug = thrown instanceof AssertionError;
  return {
    code: "INTERNAL",
    effect: "UNKNOWN",
    retryable: false,
    message: bug ? `${message}\nThis is a defect of varve; please report it with:\n${thrown.stack ?? ""}` : message,
    details: {},
  };
}

function forPeople(report: FailureReport, usage: boolean, label: string): string {
  if (usage) return `${label} ${report.message}\n(--help shows the usage)\n`;
  const retry = report.retryable ? ", may be tried again" : "";
  return `${label} ${report.message}\n  ${report.code}, effect ${report.effect}${retry}\n`;
}

/** A failure of the file system, with what was meant to happen. */
export function fileFailure(action: string, path: string, cause: unknown): VarveError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new VarveError("INVALID_ARGUMENT", {
    message: `cannot ${action} ${path}: ${reason}`,
    details: { path },
    effect: "NOT_APPLIED",
    cause,
  });
}

/** Standard output takes no more, and not because its reader has gone: a full disk. What the command did before stays done. */
export function outputFailure(cause: Error): VarveError {
  const message = `cannot write to standard output: ${cause.message}; the output is not complete`;
  return new VarveError("INTERNAL", { message, effect: "UNKNOWN", retryable: false, cause });
}
