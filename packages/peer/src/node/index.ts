/** index.ts: links over real TCP sockets. */
export { nodeLink, parseAddress } from "./link.js";
