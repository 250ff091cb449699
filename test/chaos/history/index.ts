/** index.ts: the face of the history checker: the format, a writer of it, and the judgement of it. */
export { CHECK_IDS, type CheckId, type Finding, type Verdict } from "./check.js";
export { checkHistory, type Judged, type Judgement, type Unreadable } from "./check-history.js";
export type * from "./events.js";
export { linesOf } from "./lines.js";
export { jsonOf, textOf } from "./report.js";
export { HistoryClient, type HistorySink, HistoryWriter, type OpenOperation } from "./writer.js";
