/**
 * reflection.ts: server reflection, v1 and v1alpha: tools such as grpcurl learn the schema from the server itself.
 *
 * Source: github.com/grpc/grpc, doc/server-reflection.md. Both versions have the same messages.
 */
import { SCHEMA_FILES, type SchemaFile } from "../gen/descriptors.js";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestCodec,
  type ServerReflectionResponse,
  ServerReflectionResponseCodec,
} from "../gen/grpc.js";
import { defineMethod } from "../methods.js";
import type { BidiHandler } from "../server.js";
import type { Init } from "../wire/message-codec.js";

function reflectionMethod(version: string) {
  return defineMethod(
    "bidi",
    0,
    `grpc.reflection.${version}.ServerReflection`,
    "ServerReflectionInfo",
    ServerReflectionRequestCodec,
    ServerReflectionResponseCodec,
  );
}

export const REFLECTION_METHODS = { v1: reflectionMethod("v1"), v1alpha: reflectionMethod("v1alpha") } as const;

const NOT_FOUND = 5;
const BY_NAME = new Map(SCHEMA_FILES.map((file) => [file.name, file]));
const BY_SYMBOL = new Map(SCHEMA_FILES.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)));

/** Answers questions about the schema; `services`: full names of the services that this server has. */
export function reflectionHandler(
  services: () => readonly string[],
  fromBase64: (text: string) => Uint8Array,
): BidiHandler<ServerReflectionRequest, ServerReflectionResponse> {
  return async (stream) => {
    for await (const request of stream.requests) {
      await stream.write({
        validHost: request.host,
        originalRequest: request,
        ...answer(request, services(), fromBase64),
      });
    }
  };
}

function answer(
  request: ServerReflectionRequest,
  services: readonly string[],
  fromBase64: (text: string) => Uint8Array,
): Init<ServerReflectionResponse> {
  const { fileByFilename, fileContainingSymbol, listServices, allExtensionNumbersOfType } = request;
  if (listServices !== null) return { listServicesResponse: { service: services.map((name) => ({ name })) } };
  if (allExtensionNumbersOfType !== null && BY_SYMBOL.has(allExtensionNumbersOfType)) {
    return { allExtensionNumbersResponse: { baseTypeName: allExtensionNumbersOfType } };
  }
  const file =
    fileByFilename !== null ? BY_NAME.get(fileByFilename) : BY_SYMBOL.get(withoutDot(fileContainingSymbol ?? ""));
  if (file === undefined)
    return { errorResponse: { errorCode: NOT_FOUND, errorMessage: "not in this server's schema" } };
  return {
    fileDescriptorResponse: { fileDescriptorProto: withImports(file).map(({ base64 }) => fromBase64(base64)) },
  };
}

function withoutDot(symbol: string): string {
  return symbol.startsWith(".") ? symbol.slice(1) : symbol;
}

/** The file, then whatever it imports, each once. */
function withImports(file: SchemaFile): SchemaFile[] {
  const found = new Set<SchemaFile>([file]);
  for (const each of found) {
    for (const name of each.dependencies) {
      const imported = BY_NAME.get(name);
      if (imported !== undefined) found.add(imported);
    }
  }
  return [...found];
}
