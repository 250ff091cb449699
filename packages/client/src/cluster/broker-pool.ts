/**
 * broker-pool.ts: the addresses that the client knows, a channel to each that it uses, and which of them failed lately.
 *
 * Any broker answers any call, so one live address is enough. Bound: bootstrap addresses plus the brokers of the cluster.
 */
import {
  assertDefined,
  type BrokerId,
  type Clock,
  type ErrorCode,
  type Random,
  randomBelow,
  VarveError,
} from "@varve/base";
import type { RpcChannel, RpcTransport } from "@varve/rpc";

/** How long an address that failed is passed over while others are there; doubles with each failure in a row. */
const AVOID_FIRST_MS = 500;
const AVOID_MAX_MS = 5_000;
/** The same of one that said that it stops: about as long as a restart takes. What is sent to its address meanwhile may wait for nobody. */
const AVOID_STOPPING_MS = 3_000;
/** How long a failure of TLS counts: certificates are renewed. */
const WITHOUT_TLS_MS = 30_000;

interface Trouble {
  readonly failures: number;
  readonly avoidUntilMs: number;
}

export interface BrokerPoolOptions {
  readonly bootstrap: readonly string[];
  readonly transport: RpcTransport;
  readonly clock: Clock;
  readonly random: Random;
}

export class BrokerPool {
  private readonly options: BrokerPoolOptions;
  private readonly channels = new Map<string, RpcChannel>();
  private readonly trouble = new Map<string, Trouble>();
  /** When TLS failed there last. */
  private readonly withoutTls = new Map<string, number>();
  private brokers = new Map<BrokerId, string>();
  private favourite: string;
  private hasAnswer = false;
  private closed = false;

  constructor(options: BrokerPoolOptions) {
    this.options = options;
    const first = randomBelow(options.random, options.bootstrap.length);
    this.favourite = assertDefined(options.bootstrap[first], "there is at least one bootstrap address");
  }

  /** The brokers as metadata names them; channels to addresses that are no more are closed. */
  setBrokers(brokers: readonly { readonly id: BrokerId; readonly address: string }[]): void {
    this.brokers = new Map(brokers.map(({ id, address }) => [id, address]));
    const known = new Set([...this.options.bootstrap, ...this.brokers.values()]);
    for (const [address, channel] of this.channels) {
      if (known.has(address)) continue;
      this.channels.delete(address);
      this.trouble.delete(address);
      this.withoutTls.delete(address);
      channel.close();
    }
    if (!known.has(this.favourite)) this.favourite = this.options.bootstrap[0] ?? this.favourite;
  }

  /** The address of a broker, or null when it is not known or failed lately. */
  addressOf(broker: BrokerId): string | null {
    const address = this.brokers.get(broker);
    return address === undefined || this.isAvoided(address) ? null : address;
  }

  /** Every address that is known, once. */
  addresses(): string[] {
    return [...new Set([...this.options.bootstrap, ...this.brokers.values()])];
  }

  /**
   * An address that is likely to answer: the one that last did, else the one whose trouble is oldest. Never `except` while there is
   * another: a broker that is cut off from the others answers, and knows nothing new.
   */
  anyAddress(except: string | null = null): string {
    if (this.favourite !== except && !this.isAvoided(this.favourite)) return this.favourite;
    const known = this.addresses();
    const others = known.filter((address) => address !== except);
    const addresses = others.length > 0 ? others : known;
    const free = addresses.filter((address) => !this.isAvoided(address));
    if (free.length > 0) {
      const pick = free[randomBelow(this.options.random, free.length)];
      this.favourite = assertDefined(pick, "the index is inside the list");
    } else {
      addresses.sort((left, right) => this.avoidUntilMs(left) - this.avoidUntilMs(right));
      this.favourite = assertDefined(addresses[0], "there is at least one bootstrap address");
    }
    return this.favourite;
  }

  /** A call ended without what it had asked the address for: the next one begins with another, if there is one. */
  turnFrom(address: string): void {
    if (this.favourite === address) this.anyAddress(address);
  }

  /** @throws VarveError CLOSED after `close`. */
  channel(address: string): RpcChannel {
    if (this.closed) throw new VarveError("CLOSED", { message: "this client is closed; make a new one" });
    let channel = this.channels.get(address);
    if (channel === undefined) {
      channel = this.options.transport.channel(address);
      this.channels.set(address, channel);
    }
    return channel;
  }

  /** The address answered. */
  succeeded(address: string): void {
    this.trouble.delete(address);
    this.withoutTls.delete(address);
    this.hasAnswer = true;
  }

  /** The address refused, broke or did not answer; `SHUTTING_DOWN`: so it said. Its name may lead elsewhere by now. */
  failed(address: string, code: ErrorCode): void {
    this.channels.get(address)?.renew();
    const failures = (this.trouble.get(address)?.failures ?? 0) + 1;
    const backoffMs = Math.min(AVOID_MAX_MS, AVOID_FIRST_MS * 2 ** Math.min(failures - 1, 10));
    const avoidMs = code === "SHUTTING_DOWN" ? Math.max(AVOID_STOPPING_MS, backoffMs) : backoffMs;
    this.trouble.set(address, { failures, avoidUntilMs: this.options.clock.monotonicMs() + avoidMs });
  }

  /**
   * No TLS connection to the address came about. Whether none can: that is so, lately, at each address that is known, and no broker ever answered.
   * What was right once is made right again by whoever looks after the certificates, and a client that worked goes on then.
   */
  noneSecure(address: string): boolean {
    const nowMs = this.options.clock.monotonicMs();
    this.withoutTls.set(address, nowMs);
    if (this.hasAnswer) return false;
    return this.addresses().every((known) => nowMs - (this.withoutTls.get(known) ?? -Infinity) <= WITHOUT_TLS_MS);
  }

  close(): void {
    this.closed = true;
    for (const channel of this.channels.values()) channel.close();
    this.channels.clear();
  }

  private isAvoided(address: string): boolean {
    return this.avoidUntilMs(address) > this.options.clock.monotonicMs();
  }

  private avoidUntilMs(address: string): number {
    return this.trouble.get(address)?.avoidUntilMs ?? 0;
  }
}
