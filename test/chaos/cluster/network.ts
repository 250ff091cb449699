/** network.ts: every directed link between brokers, and between clients and brokers, and the proxies that put them into effect. */
import { assertDefined } from "@varve/base";
import type { Prng } from "@varve/base/testing";
import type { BrokerPlace } from "varve";
import { DirectedLink, type LinkState } from "./directed-link.js";
import { CLIENTS, type Fabric } from "./fabric.js";
import { LinkProxy, type LinksOf } from "./link-proxy.js";

const portOf = (address: string): number => Number(address.split(":").at(-1));

export class Network implements Fabric {
  readonly outer: readonly BrokerPlace[];
  readonly inner: readonly BrokerPlace[];
  private readonly ids: readonly number[];
  private readonly prng: Prng;
  private readonly links = new Map<string, DirectedLink>();
  private readonly proxies = new Map<number, readonly LinkProxy[]>();

  /** @param outer where others reach each broker; `inner` where it listens. */
  constructor(outer: readonly BrokerPlace[], inner: readonly BrokerPlace[], prng: Prng) {
    this.outer = outer;
    this.inner = inner;
    this.ids = outer.map(({ id }) => id);
    this.prng = prng;
    outer.forEach((place, at) => {
      const own = assertDefined(inner[at], "each broker has both places");
      const links = this.linksOf(place.id);
      this.proxies.set(place.id, [
        new LinkProxy(portOf(place.peer), portOf(own.peer), "peer", links),
        new LinkProxy(portOf(place.grpc), portOf(own.grpc), "client", links),
      ]);
    });
  }

  launcher(): readonly string[] {
    return [];
  }

  /** Proxies listen when their brokers do. */
  async open(): Promise<void> {}

  async setAlive(id: number, isAlive: boolean): Promise<void> {
    await Promise.all(this.proxiesOf(id).map((proxy) => proxy.setAlive(isAlive)));
  }

  async change(from: number, to: number, state: LinkState): Promise<void> {
    this.link(from, to).become(state);
    await this.adapt();
  }

  async divide(left: readonly number[], right: readonly number[], state: LinkState = { kind: "held" }): Promise<void> {
    for (const one of left) {
      for (const other of right) {
        this.link(one, other).become(state);
        this.link(other, one).become(state);
      }
    }
    await this.adapt();
  }

  async heal(): Promise<void> {
    for (const link of this.links.values()) link.become({ kind: "open" });
    await this.adapt();
  }

  /** What is dialed next passes as the links say. */
  reset(id: number): void {
    for (const proxy of this.proxiesOf(id)) proxy.reset();
  }

  close(): void {
    for (const id of this.ids) for (const proxy of this.proxiesOf(id)) proxy.close();
  }

  private async adapt(): Promise<void> {
    await Promise.all(this.ids.flatMap((id) => this.proxiesOf(id).map((proxy) => proxy.adapt())));
  }

  private linksOf(id: number): LinksOf {
    const others = [CLIENTS, ...this.ids].filter((other) => other !== id);
    return {
      towards: (other) => this.link(other, id),
      back: (other) => this.link(id, other),
      anyHeld: () => others.some((other) => this.link(other, id).isHeld || this.link(id, other).isHeld),
    };
  }

  private link(from: number, to: number): DirectedLink {
    const name = `${from}>${to}`;
    const link = this.links.get(name) ?? new DirectedLink(this.prng.fork());
    this.links.set(name, link);
    return link;
  }

  private proxiesOf(id: number): readonly LinkProxy[] {
    return assertDefined(this.proxies.get(id), "the broker is of this cluster");
  }
}
