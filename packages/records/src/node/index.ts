/** index.ts: the codec of a Node.js process, free of native modules. */
export { nodeCodec } from "./codec.js";
