import { readFileSync } from "node:fs";
import { Varve } from "@varve/client";
import { Kafka, logLevel } from "kafkajs";
import { describe, expect, test } from "vitest";

const readme = readFileSync(new URL("../../packages/client/README.md", import.meta.url), "utf8");
const section = readme.split("\n## Coming from kafkajs\n")[1]?.split("\n### ")[0] ?? "";
const rows = [...section.matchAll(/^\| (.+?) \| (.+?) \|/gm)].map(([, theirs = "", ours = ""]) => ({ theirs, ours }));
const varve = new Varve({ bootstrap: "127.0.0.1:1" });
const OURS: Readonly<Record<string, object>> = {
  varve,
  admin: varve.admin,
  producer: varve.producer(),
  consumer: varve.consumer({ group: "g", topics: ["t"] }),
};

/** Calls `receiver.method` in the ticks of a cell. */
function callsIn(cell: string): { readonly receiver: string; readonly method: string }[] {
  const found = [...cell.matchAll(/\b(varve|kafka|admin|producer|consumer)\.(\w+)/g)];
  return found.map(([, receiver = "", method = ""]) => ({ receiver, method }));
}

/** Names of the functions that one of kafkajs' clients has. */
function methodsOf(client: object): string[] {
  return Object.entries(client).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
}

describe("the way from kafkajs", () => {
  const kafka = new Kafka({
    brokers: ["127.0.0.1:1"],
    logLevel: logLevel.NOTHING,
  });
  const theirs: Readonly<Record<string, object>> = {
    kafka,
    admin: kafka.admin(),
    producer: kafka.producer({ createPartitioner: () => () => 0 }),
    consumer: kafka.consumer({ groupId: "g" }),
  };

  test.each(["producer", "consumer", "admin"])("says what becomes of every call of kafkajs' %s", (receiver) => {
    const named = new Set(
      rows
        .flatMap(({ theirs: cell }) => callsIn(cell))
        .filter((call) => call.receiver === receiver)
        .map(({ method }) => method),
    );
    const client = theirs[receiver];
    expect(client).toBeDefined();
    // Loggers are not moved; events have one row, the consumer's.
    const known = methodsOf(client ?? {}).filter(
      (name) => name !== "logger" && (name !== "on" || receiver === "consumer"),
    );
    expect(known.filter((name) => !named.has(name))).toEqual([]);
  });

  test("names no call of kafkajs that it does not have", () => {
    const calls = rows.flatMap(({ theirs: cell }) => callsIn(cell));
    expect(calls.length).toBeGreaterThan(40);
    for (const { receiver, method } of calls) expect(theirs[receiver], `${receiver}.${method}`).toHaveProperty(method);
  });

  test("names no call of Varve that it does not have", () => {
    const calls = rows.flatMap(({ ours }) => callsIn(ours));
    expect(calls.length).toBeGreaterThan(25);
    for (const { receiver, method } of calls) expect(OURS[receiver], `${receiver}.${method}`).toHaveProperty(method);
  });
});

test("the ways from JetStream and BullMQ name no call of Varve that it does not have", () => {
  const others = readme.split("\n### From NATS JetStream\n")[1]?.split("\n## ")[0] ?? "";
  const calls = [...others.matchAll(/^\| .+? \| (.+?) \|/gm)].flatMap(([, ours = ""]) => callsIn(ours));
  expect(calls.length).toBeGreaterThan(4);
  for (const { receiver, method } of calls) expect(OURS[receiver], `${receiver}.${method}`).toHaveProperty(method);
});
