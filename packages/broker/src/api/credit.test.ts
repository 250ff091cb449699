import { isVarveError } from "@varve/base";
import { expect, test } from "vitest";
import { Credit } from "./credit.js";

const OPEN_MAX = 1_000;

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    return isVarveError(error) ? error.code : String(error);
  }
  return "accepted";
}

/** Lets everything that can go on without more credit go on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test.each([
  { bytes: 1, open: 0, code: "accepted" },
  { bytes: OPEN_MAX, open: 0, code: "accepted" },
  { bytes: OPEN_MAX - 400, open: 400, code: "accepted" },
  { bytes: OPEN_MAX - 399, open: 400, code: "INVALID_ARGUMENT" },
  { bytes: 0, open: 0, code: "INVALID_ARGUMENT" },
  { bytes: -5, open: 400, code: "INVALID_ARGUMENT" },
  { bytes: 1.5, open: 0, code: "INVALID_ARGUMENT" },
  { bytes: Number.NaN, open: 0, code: "INVALID_ARGUMENT" },
  { bytes: Number.POSITIVE_INFINITY, open: 0, code: "INVALID_ARGUMENT" },
])("a grant of $bytes on top of $open is $code", ({ bytes, open, code }) => {
  const credit = new Credit(OPEN_MAX);
  if (open > 0) credit.grant(open);
  expect(codeOf(() => credit.grant(bytes))).toBe(code);
  expect(credit.openBytes).toBe(code === "accepted" ? open + bytes : open);
});

test("a reservation takes what is there, at most what it asks, and gives back what it did not send", async () => {
  const credit = new Credit(OPEN_MAX);
  credit.grant(500);
  expect(await credit.reserve(300)).toBe(300);
  expect(await credit.reserve(300)).toBe(200);
  credit.settle(300, 120);
  expect(credit.openBytes).toBe(180);
});

test("nobody goes on before an overdraft is paid back, and those who wait keep their order", async () => {
  const credit = new Credit(OPEN_MAX);
  credit.grant(100);
  credit.settle(await credit.reserve(100), 400);
  expect(credit.openBytes).toBe(-300);
  const order: string[] = [];
  for (const name of ["first", "second", "third"])
    void credit.reserve(50).then((bytes) => order.push(`${name} ${bytes}`));
  credit.grant(200);
  await settled();
  expect(order).toEqual([]);
  credit.grant(150);
  await settled();
  expect(order).toEqual(["first 50"]);
  credit.grant(100);
  await settled();
  expect(order).toEqual(["first 50", "second 50", "third 50"]);
});

test("the end of the stream frees everybody with nothing, and whoever comes later", async () => {
  const credit = new Credit(OPEN_MAX);
  const waiting = [credit.reserve(10), credit.reserve(10)];
  credit.close();
  expect(await Promise.all([...waiting, credit.reserve(10)])).toEqual([0, 0, 0]);
});
