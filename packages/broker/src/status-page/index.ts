/** index.ts: the status page: what it shows, how that is gathered, and the document itself. */
export { type StatusDesk, startingText, statusDesk } from "./gather.js";
export { type GroupFacts, type GroupSource, NO_GROUPS, type ReaderBacklog, type ReaderPlace } from "./group-report.js";
export { statusPage } from "./page.js";
export { seriesOf } from "./report-series.js";
export { type ClusterStatus, STATUS_LIMITS } from "./status.js";
