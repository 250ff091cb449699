/**
 * server-windows.ts: how much a client may send before the server has read it.
 *
 * HTTP/2 begins with 64 KiB for a connection and for each stream (RFC 9113, section 6.9.2): one quarter of a produce request, after which
 * sender and receiver wait for each other. The option of @grpc/grpc-js 1.14 for it acts on what clients receive, and its server has none; so
 * this reaches for the HTTP/2 servers that it keeps. Were they elsewhere, the server would work as before, only slower, and a test fail.
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { FLOW_CONTROL_WINDOW_BYTES } from "./options.js";

/** Widens the windows of every connection that a bound server takes from now on. */
export function widenWindows(server: Server): void {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  for (const http2Server of http2Servers?.keys() ?? []) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.settings({ initialWindowSize: FLOW_CONTROL_WINDOW_BYTES });
      session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES);
    });
  }
}
