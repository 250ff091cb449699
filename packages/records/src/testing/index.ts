/** index.ts: records and batches for tests. */
export { batchOfValues, randomRecord, randomRecords } from "./records.js";
