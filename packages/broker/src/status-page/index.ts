/** index.ts: the status page: what it shows, how that is gathered, and the document itself. */
export { coordinatedGroups } from "./coordinated-groups.js";
export { type StatusDesk, startingText, statusDesk } from "./gather.js";
export type { GroupFacts, GroupSource, ReaderBacklog } from "./group-report.js";
export { statusPage } from "./page.js";
export { seriesOf } from "./report-series.js";
export { type ClusterStatus, STATUS_LIMITS } from "./status.js";
