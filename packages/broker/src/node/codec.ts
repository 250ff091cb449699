/**
 * codec.ts: the broker's Codec: native CRC32C, which every produced and fetched batch pays for, the rest as in the SDK.
 *
 * The broker compresses and decompresses only for `Read`, where the client asks for decoded records.
 */
import { crc32c } from "@node-rs/crc32";
import type { Codec } from "@varve/base";
import { nodeCodec } from "@varve/records/node";

export const nativeCodec: Codec = {
  ...nodeCodec,
  crc32c: (bytes, seed) => crc32c(bytes, seed),
};
