/**
 * crash.test.ts: power cuts at every step of every operation, and at random steps of random histories, against the obvious model.
 */
import { Prng } from "@varve/base/testing";
import { expect, test } from "vitest";
import { CrashMachine, OPERATIONS, type Operation } from "./testing/crash-machine.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

/** Meets every operation, each after what makes it interesting. */
const SCRIPT: readonly Operation[] = [
  "append",
  "commit",
  "vote",
  "append",
  "replace",
  "commit",
  "append",
  "append",
  "commit",
  "drain",
  "roll",
  "append",
  "commit",
  "checkpoint",
  "drain",
  "conf",
  "append",
  "commit",
  "drain",
  "retention",
  "commit",
  "idle",
  "append",
  "commit",
  "drain",
  "reset",
  "append",
  "commit",
  "vote",
  "drain",
  "idle",
  "append",
  "commit",
  "roll",
  "drain",
  "retention",
  "commit",
  "checkpoint",
];

async function runScript(machine: CrashMachine): Promise<string | null> {
  const problem = await machine.start();
  if (problem !== null) return problem;
  for (const operation of SCRIPT) for (const groupId of [1, 2]) await machine.act(operation, groupId);
  return null;
}

/** After the power came back the log must also be able to go on, and to survive an orderly stop. */
async function recoverAndGoOn(machine: CrashMachine): Promise<string | null> {
  const problem = await machine.start();
  if (problem !== null) return problem;
  for (const operation of ["append", "commit", "drain", "append", "commit"] as const) await machine.act(operation, 1);
  await machine.stop();
  return machine.start();
}

test(`a power cut at any step of any operation loses nothing acknowledged and serves nothing half-written (SEED=${seed})`, async () => {
  const whole = new CrashMachine(seed);
  expect(await runScript(whole)).toBe(null);
  const steps = whole.disk.steps;
  expect(steps, "the script does something").toBeGreaterThan(300);
  const prng = new Prng(seed);
  for (let step = 0; step < steps; step++) {
    const machine = new CrashMachine(seed);
    machine.failAfter(step);
    expect(await runScript(machine), `until step ${step}`).toBe(null);
    machine.crash(step % 3 === 0 ? "lose" : prng.fork());
    const where = `power cut at step ${step} of ${steps}`;
    expect(await (step % 4 === 0 ? recoverAndGoOn(machine) : machine.start()), where).toBe(null);
    expect(machine.fatal, `power cut at step ${step}`).toBe(null);
  }
});

test(`random histories with random power cuts keep every promise (SEED=${seed})`, async () => {
  const prng = new Prng(seed + 1);
  for (let history = 0; history < 60; history++) {
    const machine = new CrashMachine(prng.uint32());
    for (let life = 0; life < 6; life++) {
      machine.failAfter(prng.between(1, 150));
      const where = `history ${history}, life ${life}`;
      expect(await machine.start(), where).toBe(null);
      for (let count = prng.between(1, 40); count > 0; count--)
        await machine.act(prng.pick(OPERATIONS), prng.between(1, 2));
      machine.crash(prng.chance(0.2) ? "lose" : prng.fork());
    }
    expect(await machine.start(), `history ${history}, at the end`).toBe(null);
    expect(machine.fatal, `history ${history}`).toBe(null);
  }
});
