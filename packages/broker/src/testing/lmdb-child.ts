/**
 * lmdb-child.ts: a program that tests start on a folder, since what it tries may end a process.
 *
 * `FOLDER write ENTRIES`: writes transactions 1, 2, ... for ever, each of that many entries, and prints the number of each that resolved.
 * `FOLDER fill`: writes until the system refuses it, prints the error's code, and whether what was written before is `whole`.
 * `FOLDER damage SEED ROUNDS FILE`: that often: damages a copy of the store in FILE, opens it, and prints what was found: `empty`, `whole` or else.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertDefined, type KeyValue, type KeyValueChange, silentLogger, toVarveError } from "@varve/base";
import { Prng } from "@varve/base/testing";
import { lmdbStores } from "../node/lmdb-store.js";

const stores = lmdbStores({ logger: silentLogger });

/** The entries of transaction `number`: the same keys each time, and the number in each value. */
function transaction(number: number, entries: number): KeyValueChange[] {
  return Array.from({ length: entries }, (_, at) => {
    const value = new Uint8Array(8 + ((number * 31 + at * 7) % 300));
    new DataView(value.buffer).setFloat64(0, number);
    return [`entry/${at}`, value];
  });
}

async function write(path: string, entries: number): Promise<void> {
  const store = await stores.open(path);
  for (let number = 1; ; number++) {
    await store.write([...transaction(number, entries), [`number/${number}`, new Uint8Array()]]);
    process.stdout.write(`${number}\n`);
  }
}

async function fill(path: string): Promise<void> {
  const store = await stores.open(path);
  for (let number = 1; ; number++) {
    const before = textOf(store);
    const refused = await store.write([[`k/${number}`, new Uint8Array(100_000)]]).then(
      () => null,
      (error: unknown) => toVarveError(error).code,
    );
    if (refused === null) continue;
    process.stdout.write(`refused ${refused}\n`);
    process.stdout.write(textOf(store) === before ? "whole\n" : "else\n");
    await store.close();
    return;
  }
}

type Damage = (file: string, random: Prng) => string;

const DAMAGES: readonly Damage[] = [
  function cut(file, random) {
    const bytes = random.between(0, readFileSync(file).length - 1);
    truncateSync(file, bytes);
    return `cut to ${bytes}`;
  },
  function cutAtPage(file, random) {
    const bytes = 4_096 * random.between(0, readFileSync(file).length / 4_096 - 1);
    truncateSync(file, bytes);
    return `cut to ${bytes}`;
  },
  function garbage(file, random) {
    const content = readFileSync(file);
    const start = random.between(0, content.length - 1);
    const bytes = Math.min(random.pick([1, 8, 100, 4_096, 100_000]), content.length - start);
    content.set(random.bytes(bytes), start);
    writeFileSync(file, content);
    return `garbage ${start} + ${bytes}`;
  },
  function flips(file, random) {
    const content = readFileSync(file);
    const places = Array.from({ length: random.between(1, 3) }, () => flip(content, random));
    writeFileSync(file, content);
    return `flipped ${places.join()}`;
  },
  function copiedPage(file, random) {
    const content = readFileSync(file);
    const [from, to] = [0, 1].map(() => 4_096 * random.between(0, content.length / 4_096 - 1));
    content.copyWithin(to ?? 0, from ?? 0, (from ?? 0) + 4_096);
    writeFileSync(file, content);
    return `copied ${from} to ${to}`;
  },
];

/** Flips a bit: in a meta page, in the header of a page or anywhere. */
function flip(content: Buffer, random: Prng): number {
  const page = 4_096 * random.between(0, content.length / 4_096 - 1);
  const at = random.pick([random.between(0, 8_192 - 1), page + random.between(0, 64), page + random.between(0, 4_095)]);
  const place = random.chance(0.3) ? 4_096 * random.between(0, 1) + random.between(0, 168) : at;
  content.writeUInt8(content.readUInt8(place) ^ (1 << random.between(0, 7)), place);
  return place;
}

async function damage(path: string, random: Prng, rounds: number, file: string): Promise<void> {
  const whole = await entriesOf(file, join(path, "whole"));
  for (let round = 0; round < rounds; round++) {
    const folder = join(path, `${round}`);
    mkdirSync(folder);
    copyFileSync(join(file, "session"), join(folder, "session"));
    copyFileSync(join(file, "data.mdb"), join(folder, "data.mdb"));
    const what = random.pick(DAMAGES)(join(folder, "data.mdb"), random);
    process.stdout.write(`${what}: `);
    process.stdout.write(`${await found(folder, whole)}\n`);
    rmSync(folder, { recursive: true });
  }
}

async function entriesOf(file: string, copy: string): Promise<string> {
  mkdirSync(copy);
  for (const name of ["session", "data.mdb"]) copyFileSync(join(file, name), join(copy, name));
  const store = await stores.open(copy);
  const text = textOf(store);
  await store.close();
  return text;
}

const textOf = (store: KeyValue): string =>
  [...store.entries("")].map(([key, value]) => `${key}=${Buffer.from(value).toString("hex")}`).join("\n");

/** What a damaged store has, after it was written to, emptied in part and closed. */
async function found(folder: string, whole: string): Promise<string> {
  const store = await stores.open(folder);
  const text = textOf(store);
  for (let number = 1; number <= 3; number++) await store.write(transaction(number, 200));
  await store.clear("entry/1");
  await store.write(transaction(4, 100));
  assert([...store.entries("entry/")].length === 100, "a store takes writes after damage");
  await store.close();
  return text === "" ? "empty" : text === whole ? "whole" : "else";
}

const [path, mode, first, rounds, file] = process.argv.slice(2);
assert(path !== undefined, "usage: lmdb-child.js FOLDER write ENTRIES | FOLDER fill | FOLDER damage SEED ROUNDS FILE");
if (mode === "write") await write(path, Number(first));
else if (mode === "fill") await fill(path);
else await damage(path, new Prng(Number(first)), Number(rounds), assertDefined(file, "a store to damage"));
