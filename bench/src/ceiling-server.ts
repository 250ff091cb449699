/** ceiling-server.ts: the far end of the raw streams: takes bytes and says so, or sends as many as are asked for. */
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";

const require = createRequire(new URL("../../packages/rpc/package.json", import.meta.url));
const grpc = require("@grpc/grpc-js") as typeof import("@grpc/grpc-js");

/** What the parent process is told. */
export interface CeilingPorts {
  readonly grpc: number;
  readonly tcp: number;
}

const raw = (bytes: Buffer): Buffer => bytes;
const method = (path: string) => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});
const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
type Stream = import("@grpc/grpc-js").ServerDuplexStream<Buffer, Buffer>;
const ACK = Buffer.alloc(16);
server.addService(
  { Up: method("/raw/Up"), Down: method("/raw/Down") },
  {
    Up: (stream: Stream) => {
      stream.on("data", () => stream.write(ACK));
      stream.on("end", () => stream.end());
    },
    // Each request asks for one message of the size that its first four bytes say.
    Down: (stream: Stream) => {
      const messages = new Map<number, Buffer>();
      stream.on("data", (request: Buffer) => {
        const size = request.readUInt32LE(0);
        let message = messages.get(size);
        if (message === undefined) {
          message = Buffer.alloc(size, 7);
          messages.set(size, message);
        }
        stream.write(message);
      });
      stream.on("end", () => stream.end());
    },
  },
);
const sink = createServer((socket) => socket.resume());
sink.listen(0, "127.0.0.1", () => {
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    const ports: CeilingPorts = { grpc: port, tcp: (sink.address() as AddressInfo).port };
    process.send?.(ports);
  });
});
process.on("disconnect", () => process.exit(0));
