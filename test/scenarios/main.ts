/**
 * main.ts: replays the published scenario files against raft-ts.
 *
 * The folder is RAFT_TESTDATA: its subfolders quorum, confchange and interaction are read, whichever are there. Without
 * it the run is skipped with a message. Exit code 0: every field equal; 1: a difference, or a file that cannot be read.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compareStep, FOLDERS, type Folder, replay } from "./replay.js";

interface Tally {
  files: number;
  steps: number;
  fields: number;
  differing: number;
  failures: number;
}

const NOTES_PER_STEP_MAX = 8;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function runFile(folder: Folder, root: string, file: string, total: Tally): void {
  const name = `${folder}/${file}`;
  total.files++;
  try {
    const steps = replay(folder, readFileSync(join(root, folder, file), "utf8"));
    let fields = 0;
    let differing = 0;
    for (const step of steps) {
      const comparison = compareStep(folder, step.expected, step.actual);
      fields += comparison.fields;
      differing += comparison.differing;
      if (comparison.differing === 0) continue;
      print(`  ${name}:${step.line} ${step.command}`);
      for (const note of comparison.notes.slice(0, NOTES_PER_STEP_MAX)) print(`    ${note}`);
    }
    print(`${name}: ${steps.length} steps, ${fields} fields compared, ${differing} differ`);
    total.steps += steps.length;
    total.fields += fields;
    total.differing += differing;
  } catch (error) {
    total.failures++;
    print(`${name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Replays everything below `root`. */
function runAll(root: string): Tally {
  const total: Tally = { files: 0, steps: 0, fields: 0, differing: 0, failures: 0 };
  for (const folder of FOLDERS) {
    if (!existsSync(join(root, folder))) continue;
    const files = readdirSync(join(root, folder)).filter((file) => file.endsWith(".txt"));
    for (const file of files.sort()) runFile(folder, root, file, total);
  }
  return total;
}

const root = process.env["RAFT_TESTDATA"];
if (root === undefined || root === "") {
  print("RAFT_TESTDATA is not set: the scenario files were not replayed");
} else {
  const total = runAll(root);
  print(
    `total: ${total.files} files, ${total.steps} steps, ${total.fields} fields compared, ${total.differing} differ, ` +
      `${total.failures} files failed`,
  );
  if (total.files === 0) print(`no scenario files in ${root}`);
  if (total.files === 0 || total.differing > 0 || total.failures > 0) process.exitCode = 1;
}
