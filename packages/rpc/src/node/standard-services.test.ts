/** standard-services.test.ts: health checks and reflection, asked by a client that knows only their published schemas. */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, type ServiceDefinition } from "@grpc/proto-loader";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SCHEMA_FILES } from "../gen/descriptors.js";
import type { RpcServer } from "../server.js";
import { adminHandlers, logHandlers } from "../testing/handlers.js";
import { createServer } from "./grpc-server.js";

let server: RpcServer;
let raw: Client;

beforeEach(async () => {
  server = createServer();
  server.addLogService(logHandlers({}));
  server.addAdminService(adminHandlers({}));
  const { port } = await server.start("127.0.0.1", 0);
  raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(() => {
  raw.close();
  server.destroy();
});

/** Serialised FileDescriptorProtos as a FileDescriptorSet. */
function descriptorSet(files: readonly Uint8Array[]): Buffer {
  const parts = files.flatMap((bytes) => {
    const head = [0x0a];
    let length = bytes.length;
    for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
    return [Buffer.from([...head, length]), Buffer.from(bytes)];
  });
  return Buffer.concat(parts);
}

function published(part: string): ReturnType<typeof loadFileDescriptorSetFromBuffer> {
  const files = SCHEMA_FILES.filter(({ name }) => name.includes(part)).map(({ base64 }) =>
    Buffer.from(base64, "base64"),
  );
  return loadFileDescriptorSetFromBuffer(descriptorSet(files), { enums: String, defaults: true });
}

type Json = { readonly [key: string]: unknown };

function unary(service: string, name: string, request: Json): Promise<Json> {
  const method = (published("grpc/health")[service] as ServiceDefinition)[name];
  if (method === undefined) throw new Error(`no ${name}`);
  return new Promise((resolve, reject) => {
    raw.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      (bytes) => method.responseDeserialize(bytes) as Json,
      request,
      new Metadata(),
      {},
      (error, response) => (error === null && response !== undefined ? resolve(response) : reject(error)),
    );
  });
}

test("health: not serving at first, then serving, for the server and each of its services", async () => {
  const check = (service: string) => unary("grpc.health.v1.Health", "Check", { service });
  expect(await check("")).toEqual({ status: "NOT_SERVING" });
  server.setServing(true);
  for (const service of ["", "varve.v1.LogService", "varve.v1.AdminService"])
    expect(await check(service)).toEqual({ status: "SERVING" });
  await expect(check("varve.v1.NoService")).rejects.toMatchObject({ code: 5 });
  const list = await unary("grpc.health.v1.Health", "List", {});
  // A schema that was read from descriptors shows a map as the list of entries that it is on the wire.
  expect(list["statuses"]).toContainEqual({ key: "varve.v1.LogService", value: { status: "SERVING" } });
});

test("health: Watch tells the state at once and each change", async () => {
  const method = (published("grpc/health")["grpc.health.v1.Health"] as ServiceDefinition)["Watch"];
  if (method === undefined) throw new Error("no Watch");
  const seen: unknown[] = [];
  const call = raw.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    (bytes) => method.responseDeserialize(bytes) as Json,
    { service: "varve.v1.LogService" },
  );
  call.on("error", () => {});
  for await (const { status } of call as AsyncIterable<Json>) {
    seen.push(status);
    if (seen.length === 1) server.setServing(true);
    if (seen.length === 2) server.setServing(false);
    if (seen.length === 3) break;
  }
  call.cancel();
  expect(seen).toEqual(["NOT_SERVING", "SERVING", "NOT_SERVING"]);
});

test.each(["v1", "v1alpha"] as const)(
  "reflection %s: lists services and hands out a schema that a client can be built from",
  async (version) => {
    const service = `grpc.reflection.${version}.ServerReflection`;
    const method = (published(`reflection/${version}/`)[service] as ServiceDefinition)["ServerReflectionInfo"];
    if (method === undefined) throw new Error("no ServerReflectionInfo");
    const call = raw.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      (bytes) => method.responseDeserialize(bytes) as Json,
      new Metadata(),
    );
    const answers = call[Symbol.asyncIterator]();
    const ask = async (request: Json): Promise<Json> => {
      call.write(request);
      return (await answers.next()).value as Json;
    };
    const listed = (await ask({ list_services: "*" }))["list_services_response"] as { service: { name: string }[] };
    expect(listed.service.map(({ name }) => name).sort()).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "varve.v1.AdminService",
      "varve.v1.LogService",
    ]);
    for (const symbol of ["varve.v1.LogService", "varve.v1.LogService.Produce", ".varve.v1.SubscribeAdd"]) {
      const answer = (await ask({ file_containing_symbol: symbol }))["file_descriptor_response"] as {
        file_descriptor_proto: Uint8Array[];
      };
      const schema = loadFileDescriptorSetFromBuffer(descriptorSet(answer.file_descriptor_proto));
      expect(Object.keys(schema["varve.v1.LogService"] ?? {})).toContain("ProduceStream");
    }
    const byName = (await ask({ file_by_filename: "varve/v1/error.proto" }))["file_descriptor_response"] as {
      file_descriptor_proto: unknown[];
    };
    expect(byName.file_descriptor_proto).toHaveLength(1);
    expect((await ask({ file_containing_symbol: "no.such.Thing" }))["error_response"]).toMatchObject({ error_code: 5 });
    call.end();
  },
);
