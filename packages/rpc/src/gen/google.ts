/** Messages of google.protobuf, google.rpc. Made by scripts/generate.mjs from proto/; do not edit. */
import { TableCodec } from "../wire/message-codec.js";

export interface Duration {
  readonly seconds: number;
  readonly nanos: number;
}

export const DurationCodec = new TableCodec<Duration>("google.protobuf.Duration", [
  { name: "seconds", number: 1, type: "int64" },
  { name: "nanos", number: 2, type: "int32" },
]);

export interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export const AnyCodec = new TableCodec<Any>("google.protobuf.Any", [
  { name: "typeUrl", number: 1, type: "string" },
  { name: "value", number: 2, type: "bytes" },
]);

export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: { readonly [key: string]: string };
}

export const ErrorInfoCodec = new TableCodec<ErrorInfo>("google.rpc.ErrorInfo", [
  { name: "reason", number: 1, type: "string" },
  { name: "domain", number: 2, type: "string" },
  { name: "metadata", number: 3, type: "string", label: "map" },
]);

export interface RetryInfo {
  readonly retryDelay: Duration | null;
}

export const RetryInfoCodec = new TableCodec<RetryInfo>("google.rpc.RetryInfo", [
  { name: "retryDelay", number: 1, type: { message: DurationCodec }, label: "optional" },
]);

export interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
}

export const StatusCodec = new TableCodec<Status>("google.rpc.Status", [
  { name: "code", number: 1, type: "int32" },
  { name: "message", number: 2, type: "string" },
  { name: "details", number: 3, type: { message: AnyCodec }, label: "repeated" },
]);
