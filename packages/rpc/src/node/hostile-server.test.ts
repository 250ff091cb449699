/** hostile-server.test.ts: whatever a server answers, the client's calls fail with typed errors that claim nothing they cannot know. */
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { isVarveError, VarveError } from "@varve/base";
import { afterEach, expect, test } from "vitest";
import { encodeStatus } from "../errors/status.js";
import { METHODS } from "../methods.js";
import type { RpcChannel } from "../transport.js";
import { createClient } from "./grpc-transport.js";

let server: Http2Server | null = null;
let client: RpcChannel | null = null;
afterEach(() => {
  client?.close();
  server?.close();
});

type Answer = (stream: ServerHttp2Stream) => void;

/** A client of a server that gives every call the same answer. */
async function clientOf(answer: Answer): Promise<RpcChannel> {
  server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.resume();
    answer(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = createClient(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  return client;
}

const WRITE = { reads: false };
const HEADERS = { ":status": 200, "content-type": "application/grpc" } as const;

/** One message, whatever its bytes, then the trailers. */
function answering(body: Uint8Array, trailers: Readonly<Record<string, string>>): Answer {
  return (stream) => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([prefix, body]));
  };
}

const JUNK = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]);
const OK = { "grpc-status": "0" };
const details = Buffer.from(encodeStatus(new VarveError("UNKNOWN_TOPIC", { message: "no" }), WRITE).details ?? []);
details[details.length - 5] = 0xff;
details[details.indexOf("ErrorInfo") + 13] = 0x7f;

test.each([
  { why: "a message that is none", answer: answering(JUNK, OK) },
  { why: "an error whose details are damaged", answer: answering(Buffer.alloc(0), failed(details.toString("base64"))) },
  { why: "an error whose details are no base64", answer: answering(Buffer.alloc(0), failed("%%%")) },
  { why: "no status at all", answer: answering(Buffer.alloc(0), {}) },
  { why: "a status that is no number", answer: answering(JUNK, { "grpc-status": "many" }) },
  { why: "a length beyond all limits", answer: lying },
  {
    why: "an end in the middle of a message",
    answer: (stream: ServerHttp2Stream) => {
      stream.respond(HEADERS);
      stream.end(Buffer.from([0, 0, 0, 0, 9, 1]));
    },
  },
])("$why: calls and streams fail, and say that the write may have happened", async ({ answer }) => {
  const channel = await clientOf(answer);
  const batch = new Uint8Array(70);
  await expect(channel.unary(METHODS.produce, { topic: "t", batch }, { deadlineMs: 2_000 })).rejects.toSatisfy(
    (error) => isVarveError(error) && error.effect === "UNKNOWN",
  );
  const stream = channel.bidi(METHODS.produceStream, {});
  await stream.write({ correlationId: 1, produce: { topic: "t", batch } }).catch(() => {});
  // While this side is open, grpc-js waits for a status from a server that ended its own without one.
  stream.end();
  const read = (async () => {
    for await (const _ of stream.responses);
  })();
  await expect(read).rejects.toSatisfy((error) => isVarveError(error) && error.effect === "UNKNOWN");
});

function failed(detailsText: string): Record<string, string> {
  return { "grpc-status": "3", "grpc-message": "no", "grpc-status-details-bin": detailsText };
}

function lying(stream: ServerHttp2Stream): void {
  stream.respond(HEADERS);
  stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2]));
}
