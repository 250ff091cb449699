/**
 * zlib-error.ts: what Node's zlib throws on bad input, as the errors of this package.
 */
import type { VarveError } from "@varve/base";
import { batchTooLarge, corruptBatch } from "../batch-errors.js";

/** ERR_BUFFER_TOO_LARGE means that the output limit was reached; everything else that the input is damaged. */
export function zlibError(kind: string, error: unknown, bytesMax: number): VarveError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  if (code === "ERR_BUFFER_TOO_LARGE") {
    return batchTooLarge(`${kind} data decompresses to too much`, bytesMax + 1, bytesMax);
  }
  return corruptBatch(`${kind} data is damaged`, { zlibCode: code });
}
