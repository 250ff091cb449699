/** Messages of grpc.health.v1, grpc.reflection.v1. Made by scripts/generate.mjs from proto/; do not edit. */
import { TableCodec } from "../wire/message-codec.js";

export interface HealthCheckRequest {
  readonly service: string;
}

export const HealthCheckRequestCodec = new TableCodec<HealthCheckRequest>("grpc.health.v1.HealthCheckRequest", [
  { name: "service", number: 1, type: "string" },
]);

export const HealthCheckResponseServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const;
export type HealthCheckResponseServingStatus = (typeof HealthCheckResponseServingStatus)[keyof typeof HealthCheckResponseServingStatus];
const HealthCheckResponseServingStatusValues: ReadonlySet<number> = new Set(Object.values(HealthCheckResponseServingStatus));

export interface HealthCheckResponse {
  readonly status: HealthCheckResponseServingStatus;
}

export const HealthCheckResponseCodec = new TableCodec<HealthCheckResponse>("grpc.health.v1.HealthCheckResponse", [
  { name: "status", number: 1, type: { enum: HealthCheckResponseServingStatusValues } },
]);

export type HealthListRequest = Readonly<Record<never, never>>;

export const HealthListRequestCodec = new TableCodec<HealthListRequest>("grpc.health.v1.HealthListRequest", [
]);

export interface HealthListResponse {
  readonly statuses: { readonly [key: string]: HealthCheckResponse };
}

export const HealthListResponseCodec = new TableCodec<HealthListResponse>("grpc.health.v1.HealthListResponse", [
  { name: "statuses", number: 1, type: { message: HealthCheckResponseCodec }, label: "map" },
]);

export interface ExtensionRequest {
  readonly containingType: string;
  readonly extensionNumber: number;
}

export const ExtensionRequestCodec = new TableCodec<ExtensionRequest>("grpc.reflection.v1.ExtensionRequest", [
  { name: "containingType", number: 1, type: "string" },
  { name: "extensionNumber", number: 2, type: "int32" },
]);

export interface ServerReflectionRequest {
  readonly host: string;
  readonly fileByFilename: string | null;
  readonly fileContainingSymbol: string | null;
  readonly fileContainingExtension: ExtensionRequest | null;
  readonly allExtensionNumbersOfType: string | null;
  readonly listServices: string | null;
}

export const ServerReflectionRequestCodec = new TableCodec<ServerReflectionRequest>("grpc.reflection.v1.ServerReflectionRequest", [
  { name: "host", number: 1, type: "string" },
  { name: "fileByFilename", number: 3, type: "string", label: "optional" },
  { name: "fileContainingSymbol", number: 4, type: "string", label: "optional" },
  { name: "fileContainingExtension", number: 5, type: { message: ExtensionRequestCodec }, label: "optional" },
  { name: "allExtensionNumbersOfType", number: 6, type: "string", label: "optional" },
  { name: "listServices", number: 7, type: "string", label: "optional" },
]);

export interface FileDescriptorResponse {
  readonly fileDescriptorProto: readonly Uint8Array[];
}

export const FileDescriptorResponseCodec = new TableCodec<FileDescriptorResponse>("grpc.reflection.v1.FileDescriptorResponse", [
  { name: "fileDescriptorProto", number: 1, type: "bytes", label: "repeated" },
]);

export interface ExtensionNumberResponse {
  readonly baseTypeName: string;
  readonly extensionNumber: readonly number[];
}

export const ExtensionNumberResponseCodec = new TableCodec<ExtensionNumberResponse>("grpc.reflection.v1.ExtensionNumberResponse", [
  { name: "baseTypeName", number: 1, type: "string" },
  { name: "extensionNumber", number: 2, type: "int32", label: "repeated" },
]);

export interface ServiceResponse {
  readonly name: string;
}

export const ServiceResponseCodec = new TableCodec<ServiceResponse>("grpc.reflection.v1.ServiceResponse", [
  { name: "name", number: 1, type: "string" },
]);

export interface ListServiceResponse {
  readonly service: readonly ServiceResponse[];
}

export const ListServiceResponseCodec = new TableCodec<ListServiceResponse>("grpc.reflection.v1.ListServiceResponse", [
  { name: "service", number: 1, type: { message: ServiceResponseCodec }, label: "repeated" },
]);

export interface ErrorResponse {
  readonly errorCode: number;
  readonly errorMessage: string;
}

export const ErrorResponseCodec = new TableCodec<ErrorResponse>("grpc.reflection.v1.ErrorResponse", [
  { name: "errorCode", number: 1, type: "int32" },
  { name: "errorMessage", number: 2, type: "string" },
]);

export interface ServerReflectionResponse {
  readonly validHost: string;
  readonly originalRequest: ServerReflectionRequest | null;
  readonly fileDescriptorResponse: FileDescriptorResponse | null;
  readonly allExtensionNumbersResponse: ExtensionNumberResponse | null;
  readonly listServicesResponse: ListServiceResponse | null;
  readonly errorResponse: ErrorResponse | null;
}

export const ServerReflectionResponseCodec = new TableCodec<ServerReflectionResponse>("grpc.reflection.v1.ServerReflectionResponse", [
  { name: "validHost", number: 1, type: "string" },
  { name: "originalRequest", number: 2, type: { message: ServerReflectionRequestCodec }, label: "optional" },
  { name: "fileDescriptorResponse", number: 4, type: { message: FileDescriptorResponseCodec }, label: "optional" },
  { name: "allExtensionNumbersResponse", number: 5, type: { message: ExtensionNumberResponseCodec }, label: "optional" },
  { name: "listServicesResponse", number: 6, type: { message: ListServiceResponseCodec }, label: "optional" },
  { name: "errorResponse", number: 7, type: { message: ErrorResponseCodec }, label: "optional" },
]);
