/** index.ts: a network of servers and clients inside one process, for tests and the simulator. */
export { adminHandlers, groupHandlers, logHandlers } from "./handlers.js";
export { CODECS, randomMessage, withOneofs } from "./random-message.js";
export { SimRpcNetwork, type SimRpcOptions, type SimServices, type UnaryFate } from "./sim-rpc-network.js";
