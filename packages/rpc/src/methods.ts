/**
 * methods.ts: every method of the public API with its number, path and codecs; what servers, clients and forwarding go by.
 *
 * Invariant M1: a method's number stands in messages between brokers; it is never changed or given to another.
 */

import * as keda from "./gen/keda.js";
import * as varve from "./gen/varve.js";
import type { Init, MessageCodec, TableCodec } from "./wire/message-codec.js";

/** `unary`: one request, one answer. `bidi`: a stream each way. */
export type MethodKind = "unary" | "bidi";

/** One method. `K` keeps unary calls from being opened as streams. */
export interface Method<Request, Response, K extends MethodKind> {
  readonly kind: K;
  /** Names the method between brokers (M1). */
  readonly number: number;
  /** Full name of its service, for example varve.v1.LogService. */
  readonly service: string;
  readonly name: string;
  /** Whether it changes nothing, so that its errors have the effect NONE. */
  readonly reads: boolean;
  /** Path of the HTTP/2 request. */
  readonly path: string;
  /** @throws VarveError INVALID_ARGUMENT, as all four. */
  encodeRequest(request: Init<Request>): Uint8Array;
  /** Bytes in the answer are views of `bytes`. */
  decodeRequest(bytes: Uint8Array): Request;
  encodeResponse(response: Init<Response>): Uint8Array;
  decodeResponse(bytes: Uint8Array): Response;
}

export type UnaryMethod<Request, Response> = Method<Request, Response, "unary">;
export type BidiMethod<Request, Response> = Method<Request, Response, "bidi">;
export type AnyMethod = Method<unknown, unknown, MethodKind>;

/** Methods that change nothing, whatever becomes of the call. */
const READS: ReadonlySet<string> = new Set([
  "Check",
  "ClusterHealth",
  "DescribeCluster",
  "DescribeGroup",
  "DescribeTopic",
  "FetchOffsets",
  "GetMetricSpec",
  "GetMetrics",
  "IsActive",
  "ListGroups",
  "ListMoves",
  "ListOffsets",
  "ListTopics",
  "Metadata",
  "PlanRebalance",
  "Read",
  "ServerReflectionInfo",
  "StreamIsActive",
  "Subscribe",
  "Watch",
]);

/** A method of a service that is not in METHODS; number 0. */
export function defineMethod<Request, Response, K extends MethodKind>(
  kind: K,
  number: number,
  service: string,
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): Method<Request, Response, K> {
  return {
    kind,
    number,
    service,
    name,
    reads: READS.has(name),
    path: `/${service}/${name}`,
    encodeRequest: (message) => request.encode(message),
    decodeRequest: (bytes) => request.decode(bytes),
    encodeResponse: (message) => response.encode(message),
    decodeResponse: (bytes) => response.decode(bytes),
  };
}

export const LOG_SERVICE = "varve.v1.LogService";
export const GROUP_SERVICE = "varve.v1.GroupService";
export const ADMIN_SERVICE = "varve.v1.AdminService";
/** KEDA's name of what it asks for metrics. */
export const SCALER_SERVICE = "externalscaler.ExternalScaler";

function log<Q, R, K extends MethodKind>(kind: K, number: number, name: string, q: TableCodec<Q>, r: TableCodec<R>) {
  return defineMethod(kind, number, LOG_SERVICE, name, q, r);
}

function group<Q, R, K extends MethodKind>(kind: K, number: number, name: string, q: TableCodec<Q>, r: TableCodec<R>) {
  return defineMethod(kind, number, GROUP_SERVICE, name, q, r);
}

function admin<Q, R>(number: number, name: string, q: TableCodec<Q>, r: TableCodec<R>): UnaryMethod<Q, R> {
  return defineMethod("unary", number, ADMIN_SERVICE, name, q, r);
}

function scaler<Q, R, K extends MethodKind>(kind: K, name: string, q: TableCodec<Q>, r: TableCodec<R>) {
  return defineMethod(kind, 0, SCALER_SERVICE, name, q, r);
}

/** The methods of LogService. */
export const LOG_METHODS = {
  initProducer: log("unary", 1, "InitProducer", varve.InitProducerRequestCodec, varve.InitProducerResponseCodec),
  produce: log("unary", 2, "Produce", varve.ProduceRequestCodec, varve.ProduceResponseCodec),
  produceStream: log("bidi", 3, "ProduceStream", varve.ProduceStreamRequestCodec, varve.ProduceStreamResponseCodec),
  read: log("unary", 4, "Read", varve.ReadRequestCodec, varve.ReadResponseCodec),
  subscribe: log("bidi", 5, "Subscribe", varve.SubscribeRequestCodec, varve.SubscribeResponseCodec),
  listOffsets: log("unary", 6, "ListOffsets", varve.ListOffsetsRequestCodec, varve.ListOffsetsResponseCodec),
} as const;

/** The methods of GroupService. */
export const GROUP_METHODS = {
  session: group("bidi", 16, "Session", varve.SessionRequestCodec, varve.SessionResponseCodec),
  commitOffsets: group("unary", 17, "CommitOffsets", varve.CommitOffsetsRequestCodec, varve.CommitOffsetsResponseCodec),
  fetchOffsets: group("unary", 18, "FetchOffsets", varve.FetchOffsetsRequestCodec, varve.FetchOffsetsResponseCodec),
  seekGroup: group("unary", 19, "SeekGroup", varve.SeekGroupRequestCodec, varve.SeekGroupResponseCodec),
  listGroups: group("unary", 20, "ListGroups", varve.ListGroupsRequestCodec, varve.ListGroupsResponseCodec),
  describeGroup: group("unary", 21, "DescribeGroup", varve.DescribeGroupRequestCodec, varve.DescribeGroupResponseCodec),
  deleteGroup: group("unary", 22, "DeleteGroup", varve.DeleteGroupRequestCodec, varve.DeleteGroupResponseCodec),
} as const;

/** The methods of AdminService. */
export const ADMIN_METHODS = {
  createTopic: admin(32, "CreateTopic", varve.CreateTopicRequestCodec, varve.CreateTopicResponseCodec),
  deleteTopic: admin(33, "DeleteTopic", varve.DeleteTopicRequestCodec, varve.DeleteTopicResponseCodec),
  alterTopic: admin(34, "AlterTopic", varve.AlterTopicRequestCodec, varve.AlterTopicResponseCodec),
  addPartitions: admin(35, "AddPartitions", varve.AddPartitionsRequestCodec, varve.AddPartitionsResponseCodec),
  listTopics: admin(36, "ListTopics", varve.ListTopicsRequestCodec, varve.ListTopicsResponseCodec),
  describeTopic: admin(37, "DescribeTopic", varve.DescribeTopicRequestCodec, varve.DescribeTopicResponseCodec),
  describeCluster: admin(38, "DescribeCluster", varve.DescribeClusterRequestCodec, varve.DescribeClusterResponseCodec),
  transferLeadership: admin(
    39,
    "TransferLeadership",
    varve.TransferLeadershipRequestCodec,
    varve.TransferLeadershipResponseCodec,
  ),
  metadata: admin(40, "Metadata", varve.MetadataRequestCodec, varve.MetadataResponseCodec),
  clusterHealth: admin(41, "ClusterHealth", varve.ClusterHealthRequestCodec, varve.ClusterHealthResponseCodec),
  movePartition: admin(42, "MovePartition", varve.MovePartitionRequestCodec, varve.MovePartitionResponseCodec),
  listMoves: admin(43, "ListMoves", varve.ListMovesRequestCodec, varve.ListMovesResponseCodec),
  decommissionBroker: admin(
    44,
    "DecommissionBroker",
    varve.DecommissionBrokerRequestCodec,
    varve.DecommissionBrokerResponseCodec,
  ),
  drainBroker: admin(45, "DrainBroker", varve.DrainBrokerRequestCodec, varve.DrainBrokerResponseCodec),
  replaceBroker: admin(46, "ReplaceBroker", varve.ReplaceBrokerRequestCodec, varve.ReplaceBrokerResponseCodec),
  planRebalance: admin(47, "PlanRebalance", varve.PlanRebalanceRequestCodec, varve.PlanRebalanceResponseCodec),
  finalizeFeatureLevel: admin(
    48,
    "FinalizeFeatureLevel",
    varve.FinalizeFeatureLevelRequestCodec,
    varve.FinalizeFeatureLevelResponseCodec,
  ),
} as const;

/** The methods of ExternalScaler. Whoever is asked answers, so they have no number. */
export const SCALER_METHODS = {
  isActive: scaler("unary", "IsActive", keda.ScaledObjectRefCodec, keda.IsActiveResponseCodec),
  /** Streams its answers, which a server of streams in both directions does as well. */
  streamIsActive: scaler("bidi", "StreamIsActive", keda.ScaledObjectRefCodec, keda.IsActiveResponseCodec),
  getMetricSpec: scaler("unary", "GetMetricSpec", keda.ScaledObjectRefCodec, keda.GetMetricSpecResponseCodec),
  getMetrics: scaler("unary", "GetMetrics", keda.GetMetricsRequestCodec, keda.GetMetricsResponseCodec),
} as const;

/** All methods of our own API. */
export const METHODS = { ...LOG_METHODS, ...GROUP_METHODS, ...ADMIN_METHODS } as const;

const BY_NUMBER: ReadonlyMap<number, AnyMethod> = new Map(
  Object.values(METHODS).map((method) => [method.number, method as AnyMethod]),
);

/** The method with that number, or null: a newer broker may know more. */
export function methodByNumber(number: number): AnyMethod | null {
  return BY_NUMBER.get(number) ?? null;
}
