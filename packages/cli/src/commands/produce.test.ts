import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type Effect, VarveError } from "@varve/base";
import { expect, test } from "vitest";
import { runCommand } from "../testing/memory-shell.js";

interface Sent {
  readonly key: Buffer | null;
  readonly value: Buffer;
}

/** A cluster with the topic `t` that acknowledges records, or fails the ones that `fail` names. */
function cluster(fail: (index: number) => Effect | null = () => null) {
  const sent: Sent[] = [];
  const acks: unknown[] = [];
  const client = {
    admin: {
      describeTopic: async (topic: string) => {
        if (topic === "t") return {};
        throw new VarveError("UNKNOWN_TOPIC", {
          message: `topic "${topic}" does not exist; create it with: varve topic create ${topic}`,
          details: { topic },
          effect: "NONE",
        });
      },
    },
    producer: (options: unknown) => {
      acks.push(options);
      return {
        send: async ({ key, value }: Sent) => {
          const effect = fail(sent.length);
          sent.push({ key: key === null ? null : Buffer.from(key), value: Buffer.from(value) });
          await new Promise((resolve) => setImmediate(resolve));
          if (effect !== null) throw new VarveError("TIMEOUT", { message: "too late", effect });
          return { partition: 0, offset: 0, epoch: 1 };
        },
        flush: async () => {},
      };
    },
  };
  const texts = (): (readonly [string | null, string])[] =>
    sent.map(({ key, value }) => [key?.toString("latin1") ?? null, value.toString("latin1")]);
  return { client, sent, acks, texts };
}

test("produce: a record per line of standard input, bytes as they are", async () => {
  const { client, texts, acks } = cluster();
  const result = await runCommand(["produce", "t"], { client, stdin: Buffer.from("a\r\n\n\xff\xfe", "latin1") });
  expect(result).toMatchObject({ code: 0, stdout: "" });
  expect(result.stderr).toMatch(/^3 records, .* records\/s\n$/);
  expect(texts()).toEqual([
    [null, "a\r"],
    [null, ""],
    [null, "\xff\xfe"],
  ]);
  expect(acks).toEqual([{ acks: "quorum" }]);
});

test("produce: reads a file; keys from a field; --acks is passed on; --json prints the figures", async () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-produce-"));
  try {
    const file = join(folder, "in.log");
    writeFileSync(file, "a 1\nb 2\n\nc");
    const { client, texts, acks } = cluster();
    const result = await runCommand(["produce", "t", file, "--key-field", "2", "--acks", "leader", "--json"], {
      client,
    });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(result.stdout)).toMatchObject({ topic: "t", records: 4, bytes: 7 });
    expect(texts()).toEqual([
      ["1", "a 1"],
      ["2", "b 2"],
      [null, ""],
      [null, "c"],
    ]);
    expect(acks).toEqual([{ acks: "leader" }]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("produce: the value stands after the separator", async () => {
  const { client, texts } = cluster();
  await runCommand(["produce", "t", "--key-separator", ":"], { client, stdin: "k:v:w\nplain\n" });
  expect(texts()).toEqual([
    ["k", "v:w"],
    [null, "plain"],
  ]);
});

test("produce: an unknown topic is said before anything is read, also for empty input, with the command that creates it", async () => {
  const { client, sent } = cluster();
  const result = await runCommand(["produce", "other"], { client, stdin: "" });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("varve topic create other");
  expect(result.stderr).toContain("UNKNOWN_TOPIC, effect NOT_APPLIED");
  expect(sent).toEqual([]);
});

test("produce: a file that cannot be read is a failure", async () => {
  const result = await runCommand(["produce", "t", "/nonexistent/file"], { client: cluster().client });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("cannot read /nonexistent/file");
});

test("produce: after a failure it says how many are acknowledged and that no other is in the log", async () => {
  const { client, sent } = cluster((index) => (index === 2 ? "NOT_APPLIED" : null));
  const input = Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join("");
  const result = await runCommand(["produce", "t", "--json"], { client, stdin: input });
  expect(result.code).toBe(1);
  const { error } = JSON.parse(result.stderr) as {
    error: { effect: string; message: string; details: Record<string, number> };
  };
  expect(error.effect).toBe("NOT_APPLIED");
  expect(error.message).toContain("no other record is in the log");
  expect(error.message).toContain("record 3 of the input");
  expect(error.details).toMatchObject({ acknowledged: sent.length - 1, notApplied: 1, unknown: 0 });
  expect(sent.length, "it stopped reading").toBeLessThan(200_000);
});

test("produce: one record of unknown fate makes the whole effect UNKNOWN", async () => {
  const { client } = cluster((index) => (index === 0 ? "NOT_APPLIED" : index === 1 ? "UNKNOWN" : null));
  const result = await runCommand(["produce", "t"], { client, stdin: "a\nb\nc\n" });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("effect UNKNOWN");
  expect(result.stderr).toContain("1 record acknowledged, 1 other record may be in the log");
});

test("produce: interrupted, it waits for what is on its way and says how far it came", async () => {
  const stop = new AbortController();
  const { client, sent } = cluster((index) => {
    if (index === 1) stop.abort("interrupted");
    return null;
  });
  const result = await runCommand(["produce", "t"], { client, stdin: "a\nb\nc\nd\n", stop: stop.signal });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("interrupted before the end of the input");
  expect(result.stderr).toContain(`${sent.length} records acknowledged`);
});

test("produce: interrupted while it waits for input that does not come, it ends", async () => {
  const stop = new AbortController();
  const stdin = new PassThrough();
  stdin.write("a\nhalf a line");
  const { client, texts } = cluster((index) => {
    if (index === 0) setImmediate(() => stop.abort("interrupted"));
    return null;
  });
  const result = await runCommand(["produce", "t"], { client, stdin, stop: stop.signal });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("1 record acknowledged");
  expect(texts()).toEqual([[null, "a"]]);
});
