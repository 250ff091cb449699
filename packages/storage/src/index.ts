/** index.ts: the public face of this package. */

export * from "./api.js";
export type { PendingWork } from "./disk-watch.js";
export {
  decodeFrames,
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  type FrameFields,
  frameBytes,
} from "./frame/frame.js";
export { type Checksum, decodeLogStart, encodeLogStart, type LogStart, payloadProblem } from "./frame/payload.js";
export {
  type CheckpointReport,
  type DataDirReport,
  inspectDataDir,
  type LogReport,
  type SegmentReport,
  type WalFileReport,
} from "./inspect.js";
export { decodeSnapshot } from "./log/checkpoint.js";
export { BATCHES_KEPT, PRODUCERS_MAX, type ProducerEntry, ProducerTable } from "./log/producer-table.js";
export { openStorage } from "./open.js";
export type { OpenOptions, StorageFaults } from "./storage.js";
