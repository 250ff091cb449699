/** index.ts: the public face of this package. */
export * from "./api.js";
export {
  decodeFrames,
  decodeLogStart,
  encodeFrame,
  encodeLogStart,
  FRAME_HEADER_BYTES,
  type FrameFields,
} from "./frame.js";
export {
  type CheckpointReport,
  type DataDirReport,
  inspectDataDir,
  type LogReport,
  type SegmentReport,
  type WalFileReport,
} from "./inspect.js";
export { decodeSnapshot } from "./log/log-state.js";
export { ProducerTable } from "./log/producer-table.js";
export { type OpenOptions, openStorage, type StorageFaults } from "./storage.js";
