/** index.ts: record batches: build, check, stamp, split, walk; CRC32C, compression in portable code; the keyed partitioner. */
export {
  BatchBuilder,
  type BatchBuilderOptions,
  type BuildOptions,
  type ProducerStamp,
  type RecordHeader,
  stampProducer,
} from "./batch-builder.js";
export { type BatchLimits, checkBatch } from "./check-batch.js";
export { lz4Compress, lz4Decompress } from "./compression/lz4-frame.js";
export { snappyCompress, snappyDecompress } from "./compression/snappy.js";
export { crc32c } from "./crc32c.js";
export { type EncodeOptions, encodeBatch, type RecordInput } from "./encode-batch.js";
export {
  BATCH_CRC_START,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  type BatchHeader,
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestampMs,
  batchByteLength,
  batchCompression,
  batchCrc,
  batchHasAppendTime,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMagic,
  batchMaxTimestampMs,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  readBatchHeader,
  stampBatch,
} from "./layout.js";
export { DECOMPRESSED_BYTES_MAX, RECORD_BYTES_MIN } from "./limits.js";
export { keyHash, murmur2 } from "./murmur2.js";
export { nextStickyPartition, partitionForHash, partitionForKeyModulo, partitionForKeyRange } from "./partitioner.js";
export { type DecodedRecord, type DecodeOptions, decodeRecords, RecordCursor } from "./record-cursor.js";
export { splitBatches } from "./split-batches.js";
export { verifyBatch, verifyBatchFrame } from "./verify-batch.js";
