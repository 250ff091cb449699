/** index.ts: the gRPC server and client of a Node.js process. */
export type { ClientTls } from "./client-tls.js";
export { CONNECTION_LIMITS, type ConnectionLimits, type ConnectionStats } from "./connection-limits.js";
export { createServer, type GrpcRpcServer, type RpcServerOptions } from "./grpc-server.js";
export { createClient, grpcTransport, tlsTransport } from "./grpc-transport.js";
export { MESSAGE_BYTES_MAX } from "./options.js";
export type { ServerTls } from "./tls-door.js";
