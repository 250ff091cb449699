import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.js";
import { HistoryWriter } from "./writer.js";

function begun(): { history: HistoryWriter; lines: string[]; setMs: (ms: number) => void } {
  const lines: string[] = [];
  let now = 0;
  const setMs = (ms: number): void => {
    now = ms;
  };
  const history = new HistoryWriter({ nowMs: () => now, write: (line) => lines.push(line) });
  return { history, lines, setMs };
}

const SEND = { topic: "o", key: null, value: "p:1", acks: "quorum" } as const;

describe("a history writer", () => {
  test("writes what the checker reads, whatever its clock does", () => {
    const { history, lines, setMs } = begun();
    const client = history.client("c");
    setMs(5);
    const sent = client.invoke("send", SEND);
    setMs(4);
    expect(sent.ok({ partition: 0, offset: 0, epoch: 1 })).toBe(1);
    client.announce("process", { group: "g", topic: "o", partition: 0, offset: 0, value: "p:1" });
    expect(checkHistory(lines)).toMatchObject({ kind: "judged", valid: true, events: 3 });
    expect(history.events).toBe(3);
    expect(lines[1]).toBe('{"i":1,"t":5,"proc":"c","type":"ok","f":"send","partition":0,"offset":0,"epoch":1}');
  });

  test("gives a client a new name after an info, and only then", () => {
    const { history, lines } = begun();
    const client = history.client("c");
    client.invoke("send", SEND).fail("NOT_LEADER");
    expect(client.proc).toBe("c");
    client.invoke("send", { ...SEND, value: "p:2" }).info("TIMEOUT");
    expect(client.proc).toBe("c/2");
    client.invoke("send", { ...SEND, value: "p:3" }).info("TIMEOUT");
    client.invoke("poll", { topics: ["o"], group: null }).ok({ records: [] });
    expect(checkHistory(lines)).toMatchObject({ kind: "judged", valid: true });
  });

  test("refuses what the format does not allow", () => {
    const client = begun().history.client("c");
    const sent = client.invoke("send", SEND);
    expect(() => client.invoke("send", SEND)).toThrow("one operation open");
    sent.info("TIMEOUT");
    expect(() => sent.fail("NOT_LEADER")).toThrow("ends once");
  });
});
