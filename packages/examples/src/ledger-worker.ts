/**
 * ledger-worker.ts: shows an effect that happens exactly once. Balances and places in the log are rows of one SQLite database and change in
 * one transaction, so a crash leaves both or neither. exactly-once.ts kills this program to prove it.
 *
 *   node dist/ledger-worker.js [host:port] [topic] [database file]     (Ctrl-C or SIGTERM ends it)
 *
 * `@photostructure/sqlite` has the interface of `node:sqlite`; where Node has that module (22.13 and later), import it instead.
 */
import { DatabaseSync } from "@photostructure/sqlite";
import { json, Varve, type VarveRecord } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-payments", file = "ledger.db"] = process.argv.slice(2);

interface Payment {
  readonly account: string;
  readonly cents: number;
}

const database = new DatabaseSync(file);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS places (
    topic TEXT, partition INTEGER,
    epoch INTEGER NOT NULL,  -- of the member that works on the partition
    offset INTEGER NOT NULL, -- of the next record that has had no effect yet
    PRIMARY KEY (topic, partition)
  );
`);
const placeOf = database.prepare("SELECT epoch, offset FROM places WHERE topic = ? AND partition = ?");
const savePlace = database.prepare("REPLACE INTO places (topic, partition, epoch, offset) VALUES (?, ?, ?, ?)");
const addPayment = database.prepare(
  "INSERT INTO balances VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET cents = cents + excluded.cents",
);

/** Epochs under which this process holds partitions. */
const epochs = new Map<number, number>();

function findPlace(partition: number): { readonly epoch: number; readonly offset: number } {
  const place = placeOf.get(topic, partition);
  return { epoch: Number(place?.["epoch"] ?? 0), offset: Number(place?.["offset"] ?? 0) };
}

function inTransaction<T>(work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

/** Takes a partition over: from here on, a member that had it before changes nothing. Answers where to go on. */
function takeOver(partition: number, epoch: number) {
  const place = findPlace(partition);
  if (place.epoch > epoch) throw new Error(`${topic}/${partition} belongs to epoch ${place.epoch}, after ${epoch}`);
  savePlace.run(topic, partition, epoch, place.offset);
  epochs.set(partition, epoch);
  return { topic, partition, offset: place.offset };
}

/** Both rows or none. */
function book({ partition, offset, value }: VarveRecord<Payment>): void {
  inTransaction(() => {
    const place = findPlace(partition);
    if (place.epoch !== epochs.get(partition)) return; // Another member has taken over, and does this.
    if (offset < place.offset) return; // It has had its effect.
    if (value !== null) addPayment.run(value.account, value.cents);
    savePlace.run(topic, partition, place.epoch, offset + 1);
  });
}

const varve = new Varve({ bootstrap });
const consumer = varve.consumer({
  group: `${topic}-ledger`,
  topics: [topic],
  serde: json<Payment>(),
  staticId: "ledger-1", // So that after a crash the next process takes over at once, not after the session timeout.
  autoCommit: false,
  onAssign: (partitions, { epoch }) =>
    inTransaction(() => partitions.map(({ partition }) => takeOver(partition, epoch))),
});
const stop = () => consumer.close().catch((error: unknown) => console.error(error));
process.once("SIGINT", stop).once("SIGTERM", stop);

// What is committed to the group is for people: `varve group describe` then shows the lag. The database alone decides.
const showing = setInterval(() => consumer.commit().catch(() => {}), 1_000);
try {
  await consumer.run({ handler: book });
} finally {
  clearInterval(showing);
  await varve.close();
  database.close();
}
