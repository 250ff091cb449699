import { channel } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import type { Output } from "./output.js";
import { sayWhatIsTriedAgain } from "./patience.js";

function waiting(isTerminal: boolean): { readonly said: string[]; readonly failAt: (ms: number) => void } {
  const said: string[] = [];
  let nowMs = 0;
  const write = (text: string): void => void said.push(text);
  sayWhatIsTriedAgain({ isTerminal, write } as unknown as Output, () => nowMs);
  const failAt = (ms: number): void => {
    nowMs = ms;
    channel("varve:client:call-retry").publish({ error: new Error("nobody listens; give tls.caFile") });
  };
  return { said, failAt };
}

const SAID = "no answer, still trying (Ctrl-C ends): nobody listens; give --tls-ca-file\n";

test("a person hears once, after two seconds, why a call is tried again, in the command line's own words", () => {
  const { said, failAt } = waiting(true);
  for (const ms of [100, 1_900]) failAt(ms);
  expect(said).toEqual([]);
  for (const ms of [2_100, 5_000, 19_000]) failAt(ms);
  expect(said).toEqual([SAID]);
});

test("single retries of a command that runs for long are nobody's business; the next time of trouble is", () => {
  const { said, failAt } = waiting(true);
  for (const ms of [60_000, 3_600_000, 7_200_000]) failAt(ms);
  expect(said).toEqual([]);
  failAt(7_202_500);
  for (const ms of [9_000_000, 9_002_500]) failAt(ms);
  expect(said).toEqual([SAID, SAID]);
});

test("a file or a pipe hears nothing", () => {
  const { said, failAt } = waiting(false);
  failAt(9_000);
  expect(said).toEqual([]);
});
