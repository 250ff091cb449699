/**
 * status-page.test.ts: the operators' status page as people see it: in a real browser, over real brokers, and over made-up statuses that no
 * cluster of a test can show. Without a Chromium on the machine these tests are skipped, and their titles say so.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Consumer, Varve } from "@varve/client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type BrowserPage, findChromium, HeadlessBrowser } from "./headless-browser.js";
import { SdkCluster, TOPIC } from "./sdk-cluster.js";

const chromium = findChromium();
const why = chromium === null ? " (skipped: no Chromium here; Debian has it as the package chromium)" : "";
const RECORDS = 30;
const MARKUP = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

let browser: HeadlessBrowser;

beforeAll(async () => {
  if (chromium !== null) browser = await HeadlessBrowser.start(chromium);
});
afterAll(async () => browser?.close());

/** A number as the page shows it. */
const numberOf = (text: string | undefined): number => Number(text?.replaceAll(",", ""));

/** Shown figures of one kind of row: the cells by the row's name. */
async function rowsByName(page: BrowserPage, selector: string): Promise<Map<string, string[]>> {
  return new Map((await page.rows(selector)).map(([name = "", ...cells]) => [name, cells]));
}

describe.skipIf(chromium === null)(`the status page of three brokers${why}`, () => {
  let cluster: SdkCluster;
  let varve: Varve;
  let consumer: Consumer;
  let page: BrowserPage;

  beforeAll(async () => {
    cluster = await SdkCluster.start();
    varve = cluster.client();
    await send(RECORDS);
    consumer = varve.consumer({ group: "billing", topics: [TOPIC], staticId: "pod-1", clientId: MARKUP });
    consumer.run({ handler: async () => {} }).catch(() => {});
    page = await browser.open(`${opsOf(1)}/`);
  });
  afterAll(async () => cluster?.stop());

  async function send(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, at) => ({ key: String(at), value: "paid" }));
    await varve.producer().sendBatch({ topic: TOPIC, records });
  }

  function opsOf(id: number): string {
    return `http://${cluster.brokers.places().find((place) => place.id === id)?.ops}`;
  }

  /** Each series of each broker that is up, as `name{labels}` -> broker -> value. */
  async function metrics(): Promise<Map<string, Map<number, number>>> {
    const all = new Map<string, Map<number, number>>();
    for (const id of cluster.ids) {
      const text = await (await fetch(`${opsOf(id)}/metrics`)).text();
      for (const [, series = "", value = ""] of text.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)) {
        const values = all.get(series) ?? new Map<number, number>();
        all.set(series, values.set(id, Number(value)));
      }
    }
    return all;
  }

  test("shows brokers, topics, partitions and groups as they are, and each figure is in /metrics of one broker", async () => {
    await page.shows("#health", "All is well.");
    await page.until(
      () => rowsByName(page, "#groups-body > tr"),
      (groups) => expect(groups.get("billing")?.slice(0, 4)).toEqual(["stable", "1", "0", "0 s"]),
    );
    const described = await varve.admin.describeCluster();
    const brokers = await page.rows("#brokers tbody tr");
    expect(brokers.map(([id, state, address, rack, version]) => [id, state, address, rack, version])).toEqual(
      described.brokers.map(({ id, address, version }) => [String(id), "ready", address, "none", version]),
    );
    const topics = await rowsByName(page, "#topics-body > tr");
    expect(topics.get(TOPIC)?.slice(0, 3)).toEqual(["6", "3", String(RECORDS)]);

    await page.click("#topics-body > tr button");
    await page.click("#groups-body > tr button");
    await page.shows("#groups-body .members", "pod-1", `${TOPIC} 0–5`);
    const partitions = await page.rows("#topics-body tr.inner tbody tr");
    const { partitions: real } = await varve.admin.describeTopic(TOPIC);
    expect(partitions.map(([partition, leader, , , highWatermark]) => [partition, leader, highWatermark])).toEqual(
      real.map(({ partition, leader, highWatermark }) => [
        String(partition),
        `broker ${leader}`,
        String(highWatermark),
      ]),
    );

    const series = await metrics();
    const only = (name: string): Map<number, number> => series.get(name) ?? new Map();
    for (const [partition, leader, epoch, logStart, highWatermark, , replicas] of partitions) {
      const labels = `{topic="${TOPIC}",partition="${partition}"}`;
      const id = Number(leader?.replace("broker ", ""));
      expect(only(`varve_partition_leader_epoch${labels}`)).toEqual(new Map([[id, numberOf(epoch)]]));
      expect(only(`varve_partition_log_start_offset${labels}`)).toEqual(new Map([[id, numberOf(logStart)]]));
      expect(only(`varve_partition_high_watermark_offset${labels}`)).toEqual(new Map([[id, numberOf(highWatermark)]]));
      expect(only(`varve_partition_size_bytes${labels}`).get(id)).toBeGreaterThan(0);
      for (const follower of cluster.ids.filter((each) => each !== id)) {
        expect(replicas).toContain(`${follower} in sync`);
        const lag = `varve_partition_replica_lag_entries{topic="${TOPIC}",partition="${partition}",broker="${follower}"}`;
        expect(only(lag)).toEqual(new Map([[id, 0]]));
      }
    }
    const group = (await rowsByName(page, "#groups-body > tr")).get("billing") ?? [];
    const coordinator = Number(group[4]?.replace("broker ", ""));
    expect(only('varve_group_members{group="billing"}')).toEqual(new Map([[coordinator, 1]]));
    expect(only('varve_group_lag_records{group="billing"}')).toEqual(new Map([[coordinator, numberOf(group[2])]]));
    expect(only('varve_group_lag_seconds{group="billing"}')).toEqual(new Map([[coordinator, 0]]));
    for (const [name, committed, lag] of await page.rows("#groups-body .partitions tbody tr")) {
      const labels = `{group="billing",topic="${TOPIC}",partition="${name?.split("/")[1]}"}`;
      expect(only(`varve_group_partition_committed_offset${labels}`).get(coordinator)).toBe(numberOf(committed));
      expect(only(`varve_group_partition_lag_records${labels}`).get(coordinator)).toBe(numberOf(lag));
    }
    for (const [id, , , , , controller, leads, replicas] of brokers) {
      expect(only("varve_partitions_led").get(Number(id))).toBe(numberOf(leads));
      expect(only("varve_replicas").get(Number(id))).toBe(numberOf(replicas));
      expect(only("varve_controller_leader").get(Number(id))).toBe(controller === "leads" ? 1 : 0);
      expect(only(`varve_broker_ready{broker="${id}",rack=""}`)).toEqual(new Map([[Number(id), 1]]));
    }
    expect([...only("varve_topics").values()]).toEqual([2, 2, 2]);
  });

  test("shows the text that a client chose as text", async () => {
    await page.shows("#groups-body .members", MARKUP);
    expect(await page.evaluate("document.querySelectorAll('img').length")).toBe(0);
    expect(await page.evaluate("document.title")).toBe("Varve");
  });

  test("updates by itself, and what was opened stays open and keeps the focus", async () => {
    await page.evaluate("document.querySelector('#topics-body button').focus()");
    await page.evaluate("window.isStillThere = document.querySelector('#topics-body tr.inner')");
    await send(12);
    await page.until(
      () => rowsByName(page, "#topics-body > tr"),
      (topics) => expect(topics.get(TOPIC)?.[2]).toBe(String(RECORDS + 12)),
    );
    expect(await page.evaluate("document.activeElement.textContent")).toBe(TOPIC);
    expect(await page.evaluate("document.contains(window.isStillThere)")).toBe(true);
    expect(await page.evaluate("document.querySelector('#topics-body button').ariaExpanded")).toBe("true");
  });

  test("however many look, a broker gathers no more than once in two seconds", async () => {
    const startedMs = performance.now();
    const answers = await Promise.all(
      Array.from(
        { length: 50 },
        async () => (await fetch(`${opsOf(2)}/status.json`)).json() as Promise<{ atMs: number }>,
      ),
    );
    const gatheredTimes = new Set(answers.map(({ atMs }) => atMs)).size;
    expect(gatheredTimes).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - startedMs) / 2_000));
  });

  test("says which broker does not answer, and when the connection to its own is lost and is back", async () => {
    expect(page.complaints).toEqual([]);
    cluster.brokers.kill(3);
    await page.shows("#problems", "broker 3", "does not answer", `${TOPIC}: not all replicas up to date of partitions`);
    const brokers = await rowsByName(page, "#brokers tbody tr");
    expect(brokers.get("3")?.slice(0, 1)).toEqual(["not ready"]);
    expect(brokers.get("3")?.slice(5, 7)).toEqual(["unknown", "unknown"]);
    expect(await page.evaluate("document.title")).toMatch(/^\(\d+\) Varve$/);
    await cluster.brokers.restart(3);
    await page.shows("#health", "All is well.");

    expect(await page.text("#lost")).toBe("");
    cluster.brokers.kill(1);
    await page.shows("#lost", "Connection lost: the broker cannot be reached.", "Trying again every 2 seconds.");
    expect(await page.evaluate("document.body.classList.contains('stale')")).toBe(true);
    expect((await rowsByName(page, "#topics-body > tr")).has(TOPIC)).toBe(true);
    await cluster.brokers.restart(1);
    await page.until(
      () => page.evaluate("document.getElementById('lost').hidden"),
      (hidden) => expect(hidden).toBe(true),
    );
    await page.shows("#health", "All is well.");
  });

  describe("over a made-up status", () => {
    let server: MadeUp | null = null;
    afterEach(async () => {
      await server?.close();
      server = null;
    });

    /** The document and the policy of a real broker, over the status that a test made up. */
    async function show(status: object): Promise<BrowserPage> {
      const answer = await fetch(`${opsOf(2)}/`);
      const policy = answer.headers.get("content-security-policy") ?? "";
      server = await MadeUp.start(await answer.text(), policy, status);
      return browser.open(server.url);
    }

    test("any text anywhere stays text: nothing of it runs, loads or becomes an element", async () => {
      const hostile = await show(hostileStatus());
      await hostile.shows("#problems", MARKUP);
      await hostile.click("#topics-body button");
      await hostile.click("#groups-body button");
      await hostile.shows("#topics-body tr.inner", "behind by 7");
      await hostile.shows("#groups-body tr.inner", MARKUP);
      const found = "[document.querySelectorAll('img, main script, [onerror]').length, document.title]";
      expect(await hostile.evaluate(found)).toEqual([0, "(1) Varve"]);
      const places = (await hostile.evaluate<string>("document.body.innerText")).split(MARKUP).length - 1;
      expect(places).toBeGreaterThanOrEqual(11);
      expect(hostile.complaints).toEqual([]);
      // Were there markup in spite of all, the policy would stop it; this also shows that a complaint is heard.
      await hostile.evaluate(`(() => {
        const script = document.createElement("script");
        try { script.text = "document.title = 'owned'"; } catch {}
        document.body.append(script);
      })()`);
      expect(await hostile.evaluate("document.title")).toBe("(1) Varve");
      await hostile.until(
        () => Promise.resolve(hostile.complaints),
        (complaints) => expect(complaints.join()).toContain("TrustedScript"),
      );
    });

    test("1,000 partitions of one topic and 1,000 topics are quick to draw, to open and to search", async () => {
      const large = await show(largeStatus());
      await large.shows("#topics-count", "1,001", "the first 1000 are shown");
      expect(await large.evaluate("document.querySelectorAll('#topics-body tr').length")).toBe(1_000);
      await large.evaluate("document.getElementById('search').focus()");
      await large.type("big");
      await large.shows("#topics-count", "1 of 1,001");
      await large.click("#topics-body button");
      await large.until(
        () => large.evaluate("document.querySelectorAll('#topics-body tr.inner tbody tr').length"),
        (rows) => expect(rows).toBe(1_000),
      );
      // The quickest of some: others that use the machine make each of them slower, by chance.
      const redrawMs = await large.evaluate<number>(`Math.min(...Array.from({ length: 5 }, () => {
        const startMs = performance.now();
        document.getElementById("search").dispatchEvent(new Event("input"));
        document.body.offsetHeight;
        return performance.now() - startMs;
      }))`);
      expect(redrawMs).toBeLessThan(500);
      await large.evaluate("document.getElementById('search').select()");
      await large.type("big/77");
      await large.until(
        () => large.rows("#topics-body tr.inner tbody tr"),
        (rows) => expect(rows.map(([partition]) => partition)).toEqual(["77", ...range(770, 780).map(String)]),
      );
    });

    test("is readable in light and in dark, and on a narrow screen without sideways scrolling of the page", async () => {
      const shown = await show(hostileStatus());
      await shown.shows("#health", "problem");
      const grounds: string[] = [];
      for (const value of ["light", "dark"]) {
        await shown.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
        grounds.push(await shown.evaluate("getComputedStyle(document.body).backgroundColor"));
      }
      expect(grounds).toEqual(["rgb(245, 246, 248)", "rgb(16, 20, 26)"]);
      const narrow = { width: 400, height: 800, deviceScaleFactor: 1, mobile: false };
      await shown.call("Emulation.setDeviceMetricsOverride", narrow);
      expect(await shown.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(400);
    });

    test("a broker that answers with an error is said to, and the page goes on when it does", async () => {
      const shown = await show(hostileStatus());
      await shown.shows("#problems", MARKUP);
      server?.answer(500);
      await shown.shows("#lost", "Connection lost: the broker answers 500.");
      server?.answer(200);
      await shown.until(
        () => shown.text("#lost"),
        (text) => expect(text).toBe(""),
      );
    });
  });
});

/** An operators' port with a status that does not change. */
class MadeUp {
  private readonly server: Server;
  private statusCode = 200;

  private constructor(html: string, policy: string, status: object) {
    this.server = createServer((request, response) => {
      if (request.url === "/") {
        response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy });
        response.end(html);
      } else {
        response.writeHead(this.statusCode, { "content-type": "application/json; charset=utf-8" });
        response.end(JSON.stringify(status));
      }
    });
  }

  static async start(html: string, policy: string, status: object): Promise<MadeUp> {
    const made = new MadeUp(html, policy, status);
    await new Promise<void>((resolve) => made.server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** From now on the status is answered with this code. */
  answer(statusCode: number): void {
    this.statusCode = statusCode;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at);
}

const EMPTY = { brokerId: 1, clusterId: "c-1", controller: 1, atMs: 1_700_000_000_000, problems: [], problemCount: 0 };

/** Every text that there is holds markup, those too that are checked elsewhere. */
function hostileStatus(): object {
  const replicas = [
    { broker: 1, inSync: true, lagEntries: 0 },
    { broker: 2, inSync: false, lagEntries: 7 },
    { broker: 3, inSync: false, lagEntries: 0 },
  ];
  const figures = { leader: 1, epoch: 1, logStart: 0, highWatermark: 5, sizeBytes: 100 };
  const member = { memberId: MARKUP, staticId: MARKUP, clientId: MARKUP, host: MARKUP, away: true };
  const offset = { topic: MARKUP, partition: 0, committed: 1, lagRecords: 4, lagMs: 90_061_000, memberId: MARKUP };
  return {
    ...EMPTY,
    clusterId: MARKUP,
    problems: [MARKUP],
    problemCount: 1,
    brokers: [
      {
        broker: 1,
        address: MARKUP,
        rack: MARKUP,
        version: MARKUP,
        ready: false,
        reasons: [MARKUP],
        partitionsLed: 1,
        replicas: 1,
      },
    ],
    topics: [{ topic: MARKUP, internal: false, replicas: 3, partitions: [{ partition: 0, ...figures, replicas }] }],
    groups: [
      {
        group: MARKUP,
        state: MARKUP,
        coordinator: 1,
        memberCount: 1,
        members: [{ ...member, assigned: [{ topic: MARKUP, partitions: [0] }] }],
        partitionCount: 1,
        partitions: [offset],
        lagRecords: 4,
        lagMs: 90_061_000,
        lagUnknown: 1,
      },
    ],
    omitted: { partitions: 0, groups: 0 },
  };
}

/** A topic of 1,000 partitions and 1,000 topics of one. */
function largeStatus(): object {
  const partition = (at: number): object => ({
    partition: at,
    leader: (at % 3) + 1,
    epoch: 1,
    logStart: 0,
    highWatermark: at,
    sizeBytes: at,
    replicas: [1, 2, 3].map((broker) => ({ broker, inSync: true, lagEntries: 0 })),
  });
  const topic = (name: string, partitions: number): object => ({
    topic: name,
    internal: false,
    replicas: 3,
    partitions: range(0, partitions).map(partition),
  });
  const topics = [...range(0, 1_000).map((at) => topic(`topic-${at}`, 1)), topic("big", 1_000)];
  return { ...EMPTY, brokers: [], topics, groups: [], omitted: { partitions: 0, groups: 0 } };
}
