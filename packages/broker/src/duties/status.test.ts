/** status.test.ts: brokers of two versions read each other's statuses. */
import { expect, test } from "vitest";
import { encodeJson } from "../routing/json-payload.js";
import { decodeStatus, encodeStatus } from "./status.js";

const group = {
  groupId: 9,
  leader: 2,
  epoch: 4,
  voters: [1, 2, 3],
  learners: [],
  inSync: [2],
  behind: [],
  logStart: 0,
  highWatermark: 12,
};
const status = { brokerId: 2, ready: true, reasons: [], groups: [] };

const untold = { bytes: null, following: null, commit: null };

test("a leader that does not tell the size of its partition is read, and what a later one tells beside is passed over", () => {
  expect(decodeStatus(encodeJson({ ...status, groups: [group] })).groups).toEqual([{ ...group, ...untold }]);
  const later = encodeJson({ ...status, mood: "fine", groups: [{ ...group, bytes: 7, colour: "red" }] });
  expect(decodeStatus(later).groups).toEqual([{ ...group, ...untold, bytes: 7 }]);
  const whole = { ...status, groups: [{ ...group, bytes: 4_096, following: [1, 2], commit: 40 }] };
  expect(decodeStatus(encodeStatus(whole))).toEqual(whole);
});
