/**
 * broker-settings.ts: what a broker is given: its settings, its addresses, and the world behind ports.
 */
import type { BrokerId, Clock, Codec, Disk, KeyValueOpener, Link, Logger, Random, WalThread } from "@varve/base";
import type { RecoveryProgress } from "@varve/storage";
import type { PartitionMeter } from "./partition/meter.js";

/** What a broker is told; from its configuration. */
export interface BrokerSettings {
  readonly brokerId: BrokerId;
  readonly dataDir: string;
  readonly listenHost: string;
  readonly peerPort: number;
  /** Address that other brokers reach this one at; a seed's stands in `seeds` letter by letter. */
  readonly peerAddress: string;
  readonly rack: string | null;
  readonly host: string;
  readonly version: string;
  readonly seeds: readonly string[];
  readonly expectedClusterId: string | null;
  /** The cluster that this broker's certificate names: founding takes its id, and it belongs to no other. Null without a certificate. */
  readonly certifiedClusterId: string | null;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly appendBytesMax: number;
  readonly uncommittedBytesPerGroupMax: number;
  readonly inFlightBytesMax: number;
  readonly peerQueueBytesMax: number;
  readonly walFileBytes: number;
  readonly tailCacheBytesMax: number;
  readonly undrainedBytesMax: number;
  readonly batchBytesMax: number;
  readonly batchRecordsMax: number;
  readonly recordBytesMax: number;
  readonly diskReserveBytes: number;
  readonly checkpointIntervalBytes: number;
  readonly slowDiskMs: number;
  readonly hungDiskMs: number;
  readonly scrubBytesPerSecond: number;
  readonly scrubIntervalMs: number;
  readonly producerExpiryMs: number;
  readonly retentionCheckMs: number;
  /** Bytes a second read from disk for replicas that are moved here or elsewhere; -1: no limit. */
  readonly moveBytesPerSecond: number;
  /** Longest wait of the stop gate. */
  readonly stopGateMs: number;
  /** A voter of the controller that is silent for so long gives its vote to another broker. */
  readonly voterDeadMs: number;
}

/** Where clients and operators reach a broker; known once its listeners are bound. */
export interface PublicAddresses {
  readonly grpcAddress: string;
  readonly opsAddress: string;
}

/** The world, as a broker sees it. */
export interface BrokerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly walThread: WalThread;
  readonly codec: Codec;
  /** Holds what can be rebuilt from checkpoints and logs. */
  readonly keyValue: KeyValueOpener;
  readonly link: Link;
  readonly meter: PartitionMeter;
  /** How far the recovery of the data directory has come; called at each read. */
  readonly onRecovery?: (progress: RecoveryProgress) => void;
  readonly onFlush: (durationMs: number, bytes: number) => void;
  /** Nothing more becomes durable, or the controller's decisions cannot be applied: the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Simulator only: broken variants. */
  readonly faults?: {
    readonly commitOldTerm?: boolean;
    readonly ackBeforeFsync?: boolean;
    readonly voteNotPersisted?: boolean;
    readonly truncateOnCrcError?: boolean;
    readonly emptiedIsNew?: boolean;
    readonly walFreedEarly?: boolean;
  };
}
