/**
 * metadata.ts: a WireStatus as grpc-js's trailers, and back.
 */
import { Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { encodeStatus, STATUS_DETAILS_KEY, type WireStatus } from "../errors/status.js";

export function statusObject(
  thrown: unknown,
  call: { readonly reads: boolean },
): Partial<StatusObject> & { code: number; details: string } {
  const { code, message, details } = encodeStatus(thrown, call);
  const metadata = new Metadata();
  if (details !== null) metadata.set(STATUS_DETAILS_KEY, asBuffer(details));
  return { code, details: message, metadata };
}

/** An error of Node.js's streams may come in place of a status: it has a message instead. */
export function wireStatus(status: ServiceError): WireStatus {
  const value = status.metadata?.get(STATUS_DETAILS_KEY)[0];
  return {
    code: status.code,
    message: status.details ?? status.message,
    details: value instanceof Uint8Array ? value : null,
  };
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
