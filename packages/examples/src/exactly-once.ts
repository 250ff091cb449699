/**
 * exactly-once.ts: proves ledger-worker.ts: kills it with -9 six times amid its work, starts it again, and compares every balance with the
 * log.
 *
 *   node dist/exactly-once.js [host:port] [topic]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "@photostructure/sqlite";
import { json, Varve } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-payments"] = process.argv.slice(2);
const PAYMENTS = 2_000;
const KILLS = 6;
const DEADLINE_MS = 60_000;
const WORKER = fileURLToPath(new URL("ledger-worker.js", import.meta.url));

interface Payment {
  readonly account: string;
  readonly cents: number;
}

const folder = mkdtempSync(join(tmpdir(), "varve-ledger-"));
const file = join(folder, "ledger.db");

/** Asks the worker's database, from outside; nothing while it is not there yet. */
function ask(sql: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare(sql).all();
  } catch {
    return []; // The worker is about to make the tables.
  } finally {
    database.close();
  }
}

const booked = (): number => Number(ask("SELECT sum(offset) AS count FROM places")[0]?.["count"] ?? 0);

async function untilBooked(count: number, worker: ChildProcess): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (booked() < count) {
    if (worker.exitCode !== null) throw new Error(`the worker ended by itself with ${worker.exitCode}`);
    if (performance.now() > endMs) throw new Error(`${booked()} of ${count} payments booked within ${DEADLINE_MS} ms`);
    await pause(5);
  }
}

/** Starts the worker, waits until `count` payments are booked and ends it with `signal`. */
async function workUntil(count: number, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const worker = spawn(process.execPath, [WORKER, bootstrap, topic, file], { stdio: ["ignore", "inherit", "inherit"] });
  const exited = once(worker, "exit");
  try {
    await untilBooked(count, worker);
    await pause(Math.random() * 5); // So that it dies anywhere, not always just after a transaction.
  } finally {
    worker.kill(signal);
    await exited;
  }
}

const varve = new Varve({ bootstrap });
try {
  await varve.admin.createTopic({ topic, partitions: 3, ifNotExists: true });
  const records = Array.from({ length: PAYMENTS }, (_, index) => {
    const payment: Payment = { account: `account-${index % 25}`, cents: 1 + ((index * 37) % 1_000) };
    return { key: payment.account, value: payment };
  });
  await varve.producer<Payment>({ serde: json<Payment>() }).sendBatch({ topic, records });

  // What the log says is what every balance must be.
  const expected = new Map<string, number>();
  const reader = varve.reader({ topic, from: "earliest", to: "end", serde: json<Payment>() });
  for await (const { value } of reader) {
    if (value !== null) expected.set(value.account, (expected.get(value.account) ?? 0) + value.cents);
  }
  const { total } = reader.progress;

  for (let kill = 1; kill <= KILLS; kill++) {
    await workUntil(Math.floor((total * kill) / (KILLS + 2)), "SIGKILL");
    console.log(`killed after ${booked()} of ${total} payments`);
  }
  await workUntil(total, "SIGTERM");

  const balances = new Map(ask("SELECT account, cents FROM balances").map((row) => [row["account"], row["cents"]]));
  const wrong = [...expected].filter(([account, cents]) => balances.get(account) !== cents);
  for (const [account, cents] of wrong) console.error(`${account} has ${balances.get(account)}, not ${cents}`);
  const isExact = wrong.length === 0 && balances.size === expected.size;
  console.log(isExact ? `${total} payments, ${balances.size} balances, every one exact` : "the balances are wrong");
  process.exitCode = isExact ? 0 : 1;
} finally {
  await varve.close();
  rmSync(folder, { recursive: true, force: true });
}
