/** index.ts: the real clock and randomness of a Node.js process, and the TLS files that its listeners and clients share. */
export { nodeClock } from "./clock.js";
export { nodeRandom } from "./random.js";
export { type TlsFailureKind, tlsFailureKind, tlsFailureText } from "./tls-failure.js";
export { readTlsFiles, type TlsFiles, type TlsMaterial, type TlsPem } from "./tls-files.js";
export { TlsKeeper, type TlsKeeperOptions } from "./tls-keeper.js";
