/** group-joiners.test.ts: members that join and leave, or die, in a loop leave nothing behind; the long run is in ../ci. */
import { test } from "vitest";
import { joinAndLeave } from "./group-joiners.js";

const FOR_MS = 12_000;
const TEST_MS = 180_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 32);

test(`a hundred members that join and leave for ${FOR_MS} ms leave a settled group and a broker of the same size, seed ${seed}`, {
  timeout: TEST_MS,
}, async () => {
  process.stdout.write(`joined and left: ${JSON.stringify(await joinAndLeave(FOR_MS, seed))}\n`);
});
