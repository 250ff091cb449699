/** errors.test.ts: what an error says to whom. */
import { expect, test } from "vitest";
import { type Effect, VarveError } from "./errors.js";

test("the words of an error follow the effect that it is given", () => {
  const error = new VarveError("UNREACHABLE", {
    message: "nobody is there; nothing was written; try again",
    effect: "NOT_APPLIED",
  });
  const words = (effect: Effect): string => error.withEffect(effect).message;
  expect(words("NOT_APPLIED")).toBe("nobody is there; nothing was written; try again");
  expect(words("UNKNOWN")).toBe("nobody is there; it may have taken effect; try again");
  expect(words("NONE")).toBe("nobody is there; try again");
  expect(error.withEffect("UNKNOWN").withEffect("NOT_APPLIED").message).toBe(error.message);
  expect(error.withEffect("NOT_APPLIED")).toBe(error);
});
