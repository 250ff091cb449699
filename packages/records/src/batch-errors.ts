/**
 * batch-errors.ts: the errors that bytes from outside can cause here, each with the same details everywhere.
 */
import { type ErrorDetails, VarveError } from "@varve/base";

/** Bytes that cannot be what they should be: damaged on the way, or never valid. */
export function corruptBatch(problem: string, details: ErrorDetails = {}): VarveError {
  return new VarveError("CORRUPT_BATCH", {
    message: `the record batch is damaged: ${problem}; encode it again from its records`,
    details: { problem, ...details },
  });
}

/** Intact bytes that break a rule of the format or of this cluster. */
export function invalidBatch(problem: string, details: ErrorDetails = {}): VarveError {
  return new VarveError("INVALID_BATCH", {
    message: `the record batch is not acceptable: ${problem}`,
    details: { problem, ...details },
  });
}

/** More bytes than a limit allows, before or after decompression. */
export function batchTooLarge(problem: string, batchBytes: number, batchBytesMax: number): VarveError {
  return new VarveError("BATCH_TOO_LARGE", {
    message: `${problem}: ${batchBytes} bytes, at most ${batchBytesMax} are allowed; send fewer records per batch`,
    details: { batchBytes, batchBytesMax },
  });
}

/** One record with more key, value and headers than a record may have. */
export function recordTooLarge(recordBytes: number, recordBytesMax: number): VarveError {
  return new VarveError("RECORD_TOO_LARGE", {
    message: `a record of ${recordBytes} bytes exceeds the limit of ${recordBytesMax}; nothing was written; split it or store it elsewhere`,
    details: { recordBytes, recordBytesMax },
  });
}

/** A compression that the format does not have, or that this process cannot do now. */
export function unsupportedCodec(problem: string, compression: string | number): VarveError {
  return new VarveError("UNSUPPORTED_CODEC", {
    message: `compression ${compression}: ${problem}`,
    details: { compression, problem },
  });
}
