/**
 * main.ts: writes a generated history: `node test/chaos/history/dist/generator/main.js FILE [EVENTS] [SEED]`; a million events unless told otherwise.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { generate } from "./generate.js";

const USAGE = "usage: node test/chaos/history/dist/generator/main.js FILE [EVENTS] [SEED]\n";
const PIECE_CHARS = 1_024 * 1_024;

function run([path, events = "1000000", seed = "1"]: readonly string[]): number {
  if (path === undefined || !/^\d+$/.test(events) || !/^\d+$/.test(seed)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const file = openSync(path, "w");
  let piece: string[] = [];
  let chars = 0;
  const flush = (): void => {
    writeSync(file, piece.join(""));
    piece = [];
    chars = 0;
  };
  generate({ seed: Number(seed), events: Number(events), partitions: 6, producers: 16, replicas: 3 }, (line) => {
    piece.push(line, "\n");
    chars += line.length;
    if (chars > PIECE_CHARS) flush();
  });
  flush();
  closeSync(file);
  return 0;
}

process.exitCode = run(process.argv.slice(2));
