/**
 * random-message.ts: random messages of every type that the field tables know, for tests of the codec.
 */
import { NUMBER_MAX } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import * as google from "../gen/google.js";
import * as grpc from "../gen/grpc.js";
import * as keda from "../gen/keda.js";
import * as varve from "../gen/varve.js";
import { type Fields, TableCodec } from "../wire/message-codec.js";

const EVERYTHING: readonly unknown[] = [varve, google, grpc, keda].flatMap((module) => Object.values(module));
/** The codec of every message type of the API and of what stands around it. */
export const CODECS = EVERYTHING.filter((each): each is TableCodec<unknown> => each instanceof TableCodec);

function randomText(prng: Prng): string {
  const alphabet = ["a", "Z", "0", " ", "é", "漢", "😀", "\u0000", '"'];
  return Array.from({ length: prng.between(0, prng.chance(0.1) ? 200 : 6) }, () => prng.pick(alphabet)).join("");
}

function randomValue(prng: Prng, type: unknown): unknown {
  if (type === "string") return randomText(prng);
  if (type === "bytes") return Buffer.from(prng.bytes(prng.between(0, 40)));
  if (type === "bool") return prng.chance(0.5);
  if (type === "double") return prng.pick([0, 1, -1, 0.5, 1 / 3, 2 ** 70, 5e-324, prng.between(0, 1_000) / 8]);
  if (type === "int32") return prng.pick([0, 1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31), prng.between(-1000, 1000)]);
  if (type === "int64") {
    return prng.pick([0, 1, -1, 2 ** 28, 2 ** 32, 2 ** 35 - 1, NUMBER_MAX, -NUMBER_MAX, prng.between(0, NUMBER_MAX)]);
  }
  const compound = type as { readonly message?: TableCodec<unknown>; readonly enum?: ReadonlySet<number> };
  if (compound.enum !== undefined) return prng.pick([...compound.enum]);
  return randomMessage(prng, compound.message as TableCodec<unknown>);
}

interface Inside {
  readonly fields: readonly { readonly name: string; readonly type: unknown; readonly label: string | undefined }[];
}

/** A message of the codec with random fields, all numbers in their ranges. */
export function randomMessage(prng: Prng, codec: TableCodec<unknown>): Fields {
  const message: Fields = {};
  for (const { name, type, label } of (codec as unknown as Inside).fields) {
    const many = (): unknown[] => Array.from({ length: prng.between(0, 4) }, () => randomValue(prng, type));
    if (label === "repeated") message[name] = many();
    else if (label === "map") message[name] = Object.fromEntries(many().map((value, at) => [`k${at}`, value]));
    else if (label === "optional") message[name] = prng.chance(0.5) ? null : randomValue(prng, type);
    else message[name] = randomValue(prng, type);
  }
  return message;
}

/** Only one field of a oneof may be set; the others are emptied. */
export function withOneofs(message: Fields, codec: TableCodec<unknown>): Fields {
  const groups: Record<string, readonly string[]> = {
    "varve.v1.ProduceStreamResponse": ["result", "error"],
    "varve.v1.SubscribeRequest": ["add", "remove", "grant"],
    "varve.v1.SubscribeResponse": ["batches", "progress", "error"],
    "grpc.reflection.v1.ServerReflectionRequest": [
      "fileByFilename",
      "fileContainingSymbol",
      "fileContainingExtension",
      "allExtensionNumbersOfType",
      "listServices",
    ],
    "grpc.reflection.v1.ServerReflectionResponse": [
      "fileDescriptorResponse",
      "allExtensionNumbersResponse",
      "listServicesResponse",
      "errorResponse",
    ],
  };
  let taken = false;
  for (const name of groups[codec.name] ?? []) {
    if (taken) message[name] = null;
    taken ||= message[name] !== null;
  }
  const request = message["originalRequest"];
  if (request !== null && request !== undefined)
    withOneofs(request as Fields, grpc.ServerReflectionRequestCodec as never);
  return message;
}
