/** peers.test.ts: mutual TLS between brokers: whoever shows no certificate of the cluster gets no byte to anybody. */
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Link, LinkConnection } from "@varve/base";
import { TlsKeeper } from "@varve/base/node";
import { nodeLink, tlsLink } from "@varve/peer/node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type CertificateFiles, Certificates, CLUSTER, LOCAL, SECOND_AGO } from "./kit.js";

const STATE = { timeout: 30_000, interval: 10 };
const LOOK_MS = 20;
const OTHER_CLUSTER = "99999999-2222-4333-8444-555555555555";
const cleanups: (() => unknown)[] = [];
let certificates: Certificates;

beforeAll(async () => {
  certificates = await Certificates.create();
});
afterAll(() => certificates.remove());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Side {
  readonly link: Link;
  readonly refusals: string[];
}

async function side(
  files: CertificateFiles,
  { clusterId = CLUSTER, caFile = certificates.caFile } = {},
): Promise<Side> {
  const keeper = await TlsKeeper.open({ ...files, caFile }, { lookMs: LOOK_MS });
  cleanups.push(() => keeper.close());
  const refusals: string[] = [];
  return { link: tlsLink({ keeper, clusterId, onRefused: (_, why) => refusals.push(why) }), refusals };
}

/** What one end of a connection saw. */
interface Seen {
  readonly connection: LinkConnection;
  text: string;
  closed: string | null;
}

function watch(connection: LinkConnection): Seen {
  const seen: Seen = { connection, text: "", closed: null };
  connection.start({
    onData: (chunk) => {
      seen.text += Buffer.from(chunk).toString();
    },
    onClose: (reason) => {
      seen.closed = reason;
    },
  });
  cleanups.push(() => connection.destroy());
  return seen;
}

async function listen({ link }: Pick<Side, "link">): Promise<{ readonly port: number; readonly accepted: Seen[] }> {
  const accepted: Seen[] = [];
  const listener = await link.listen("127.0.0.1", 0, (connection) => accepted.push(watch(connection)));
  cleanups.push(() => listener.close());
  return { port: listener.port, accepted };
}

/** Dials and says something at once, as a handshake does. */
function dial({ link }: Pick<Side, "link">, port: number): Seen {
  const seen = watch(link.dial(`127.0.0.1:${port}`));
  seen.connection.write([Buffer.from("hello "), Buffer.from("broker")]);
  return seen;
}

test("two brokers of one cluster speak, both ways, whatever names their hosts have", async () => {
  const here = await side(await certificates.issuePeer());
  const { port, accepted } = await listen(here);
  const dialed = dial(await side(await certificates.issuePeer()), port);
  await vi.waitFor(() => expect(accepted[0]?.text).toBe("hello broker"), STATE);
  accepted[0]?.connection.write([Buffer.alloc(1_000_000, "x")]);
  await vi.waitFor(() => expect(dialed.text).toHaveLength(1_000_000), STATE);
  accepted[0]?.connection.end();
  await vi.waitFor(() => expect(dialed.closed).toBe("ended"), STATE);
  expect(here.refusals).toEqual([]);
});

describe("who dials is refused before a byte of it is read", () => {
  test.each([
    { who: "another cluster's broker", files: () => certificates.issuePeer(OTHER_CLUSTER), why: "of cluster 9999" },
    { who: "a client of the same authority", files: () => certificates.issue(LOCAL), why: "names no cluster" },
    {
      who: "a stranger who claims the cluster",
      files: () => certificates.issuePeer(CLUSTER, {}, certificates.stranger),
      why: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    },
    {
      who: "a broker whose certificate has expired",
      files: () => certificates.issuePeer(CLUSTER, { notAfter: SECOND_AGO() }),
      why: "CERT_HAS_EXPIRED",
    },
  ])("$who", async ({ files, why }) => {
    const here = await side(await certificates.issuePeer());
    const { port, accepted } = await listen(here);
    const dialed = dial(await side(await files()), port);
    await vi.waitFor(() => expect(dialed.closed).not.toBeNull(), STATE);
    await vi.waitFor(() => expect(here.refusals).toEqual([expect.stringContaining(why)]), STATE);
    expect(accepted).toEqual([]);
    expect(dialed.text).toBe("");
  });

  test("who shows no certificate, speaks plain text, or says nothing", async () => {
    const here = await side(await certificates.issuePeer());
    const { port, accepted } = await listen(here);
    const plain = dial({ link: nodeLink }, port);
    const nameless = connectTls({
      host: "127.0.0.1",
      port,
      ca: certificates.authority.cert,
      checkServerIdentity: () => undefined,
    });
    const silent = connectTcp({ host: "127.0.0.1", port });
    const closed = vi.fn();
    for (const socket of [nameless, silent]) {
      socket.on("error", () => {});
      socket.once("close", closed);
      socket.resume();
    }
    await vi.waitFor(() => expect([plain.closed !== null, closed.mock.calls.length]).toEqual([true, 2]), STATE);
    expect(accepted).toEqual([]);
    expect(here.refusals.length).toBeGreaterThanOrEqual(2);
  });
});

describe("who answers is refused before it was told a byte", () => {
  test.each([
    {
      who: "another cluster's broker",
      files: () => certificates.issuePeer(OTHER_CLUSTER),
      clusterId: OTHER_CLUSTER,
      why: "of cluster 9999",
    },
    {
      who: "a server of the same authority",
      files: () => certificates.issue(LOCAL),
      clusterId: CLUSTER,
      why: "names no cluster",
    },
    {
      who: "a stranger who claims the cluster",
      files: () => certificates.issuePeer(CLUSTER, {}, certificates.stranger),
      clusterId: CLUSTER,
      why: "unable to verify",
    },
    {
      who: "a broker whose certificate has expired",
      files: () => certificates.issuePeer(CLUSTER, { notAfter: SECOND_AGO() }),
      clusterId: CLUSTER,
      why: "expired",
    },
  ])("$who", async ({ files, clusterId, why }) => {
    const { port, accepted } = await listen(await side(await files(), { clusterId }));
    const here = await side(await certificates.issuePeer());
    const dialed = dial(here, port);
    await vi.waitFor(() => expect(dialed.closed).not.toBeNull(), STATE);
    await vi.waitFor(() => expect(here.refusals.join()).toContain(why), STATE);
    expect(accepted.map(({ text }) => text).join("")).toBe("");
  });

  test("one that speaks plain text", async () => {
    const { port, accepted } = await listen({ link: nodeLink });
    const here = await side(await certificates.issuePeer());
    const dialed = dial(here, port);
    await vi.waitFor(() => expect(accepted).toHaveLength(1), STATE);
    accepted[0]?.connection.write([Buffer.from("not a TLS record at all")]);
    await vi.waitFor(() => expect(dialed.closed).toBe("reset"), STATE);
    await vi.waitFor(() => expect(here.refusals).toEqual(["wrong version number"]), STATE);
    expect(accepted[0]?.text).not.toContain("hello");
  });
});

test("nobody listens: told as refused, which starts an election at once", async () => {
  const here = await side(await certificates.issuePeer());
  const dialed = dial(here, 1);
  await vi.waitFor(() => expect(dialed.closed).toBe("refused"), STATE);
  expect(here.refusals).toEqual([]);
});

test("files that change are used by the next connection, while open ones live on", async () => {
  const files = await certificates.issuePeer(CLUSTER, { name: "renewed" });
  const here = await side(files);
  const { port, accepted } = await listen(here);
  const there = await side(await certificates.issuePeer());
  const first = dial(there, port);
  await vi.waitFor(() => expect(accepted).toHaveLength(1), STATE);
  await certificates.issuePeer(CLUSTER, { name: "renewed", notAfter: SECOND_AGO() });
  await vi.waitFor(() => {
    const dialed = dial(there, port);
    expect(there.refusals.join()).toContain("expired");
    dialed.connection.destroy();
  }, STATE);
  accepted[0]?.connection.write([Buffer.from("still here")]);
  await vi.waitFor(() => expect(first.text).toBe("still here"), STATE);
});
