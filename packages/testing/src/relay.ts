/**
 * relay.ts: where clients reach one broker of a test cluster: a TCP relay in front of its gRPC listener, which can go silent as a cut network does.
 *
 * It listens while its broker does: of a broker that is down, clients are refused at once, and their connections break. Cut off, it tells them
 * nothing: connections stay open and silent, new ones are accepted and go nowhere, and whether the broker still lives does not show.
 * Invariants:
 *   Y1  while it is cut off nothing crosses; see R1 to R3 of relayed-connection.ts
 *   Y2  it has at most CONNECTIONS_MAX connections; more are reset
 */
import { createServer, type Server, type Socket } from "node:net";
import { VarveError } from "@varve/base";
import { RelayedConnection, SOCKET_OPTIONS } from "./relayed-connection.js";

const HOST = "127.0.0.1";
const CONNECTIONS_MAX = 1_000;

export class Relay {
  readonly address: string;
  private readonly port: number;
  private readonly connections = new Set<RelayedConnection>();
  private server: Server | null = null;
  /** Null while the broker is down. */
  private brokerPort: number | null = null;
  private isCut = false;

  constructor(port: number) {
    this.port = port;
    this.address = `${HOST}:${port}`;
  }

  /** The broker listens there; resolves when clients reach it, or would if this were not cut off. @throws VarveError ADDRESS_UNUSABLE. */
  async open(brokerPort: number): Promise<void> {
    this.server ??= await this.listen();
    this.brokerPort = brokerPort;
  }

  /** The broker is down. */
  shut(): void {
    this.brokerPort = null;
    if (!this.isCut) this.drop();
  }

  /** Nothing crosses from now on, either way. */
  cut(): void {
    this.isCut = true;
    for (const connection of this.connections) connection.hold();
  }

  heal(): void {
    if (!this.isCut) return;
    this.isCut = false;
    if (this.brokerPort === null) this.drop();
    else for (const connection of [...this.connections]) connection.join(this.brokerPort);
  }

  /** For good: no listener and no connection is left. */
  close(): void {
    this.brokerPort = null;
    this.drop();
  }

  private drop(): void {
    this.server?.close();
    this.server = null;
    for (const connection of [...this.connections]) connection.reset();
  }

  private accept(client: Socket): void {
    if (this.connections.size >= CONNECTIONS_MAX) {
      client.resetAndDestroy();
      return;
    }
    const connection = new RelayedConnection(client, () => this.connections.delete(connection));
    this.connections.add(connection);
    if (this.isCut) return;
    if (this.brokerPort === null) connection.reset();
    else connection.join(this.brokerPort);
  }

  private listen(): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, (client) => this.accept(client));
      server.once("error", (cause) =>
        reject(
          new VarveError("ADDRESS_UNUSABLE", {
            message: `cannot listen on ${this.address} for clients: ${cause.message}; is another process using the port?`,
            details: { address: this.address },
            cause,
          }),
        ),
      );
      server.listen(this.port, HOST, () => resolve(server));
    });
  }
}
