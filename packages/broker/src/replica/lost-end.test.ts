import { expect, test } from "vitest";
import { lostEnd } from "./lost-end.js";

const heartbeat = (term: number, commit: number) => ({ type: "MsgHeartbeat", term, from: 2, commit }) as const;

test.each([
  { what: "names less than the log holds", message: heartbeat(5, 9), isLost: false },
  { what: "names the log's last entry", message: heartbeat(5, 10), isLost: false },
  { what: "names more", message: heartbeat(5, 11), isLost: true },
  { what: "names more, of a later term", message: heartbeat(6, 11), isLost: true },
  { what: "names more, but comes from a leader that was replaced since", message: heartbeat(4, 11), isLost: false },
  {
    what: "names more as an append does, which brings it",
    message: { ...heartbeat(5, 11), type: "MsgApp" },
    isLost: false,
  },
] as const)("a log of 10 entries in term 5, when its leader $what: lost $isLost", ({ message, isLost }) => {
  const loss = lostEnd(message, 5, 10);
  if (isLost) expect(loss).toMatch(/ends at entry 10, but its leader \(replica 2, term [56]\) .* up to 11 /);
  else expect(loss).toBeNull();
});
