/** Messages of externalscaler. Made by scripts/generate.mjs from proto/; do not edit. */
import { TableCodec } from "../wire/message-codec.js";

/** Who asks, and about which group. */
export interface ScaledObjectRef {
  /** Name of the ScaledObject. */
  readonly name: string;
  /** Its namespace. */
  readonly namespace: string;
  /** What its trigger says under `metadata`: group, topic, lagSeconds, activationLagSeconds, startFrom, limitToPartitionsWithLag. */
  readonly scalerMetadata: { readonly [key: string]: string };
}

export const ScaledObjectRefCodec = new TableCodec<ScaledObjectRef>("externalscaler.ScaledObjectRef", [
  { name: "name", number: 1, type: "string" },
  { name: "namespace", number: 2, type: "string" },
  { name: "scalerMetadata", number: 3, type: "string", label: "map" },
]);

/** Whether there is something to do. */
export interface IsActiveResponse {
  /** At least one consumer is needed. */
  readonly result: boolean;
}

export const IsActiveResponseCodec = new TableCodec<IsActiveResponse>("externalscaler.IsActiveResponse", [
  { name: "result", number: 1, type: "bool" },
]);

/** A metric and its target. */
export interface MetricSpec {
  /** Name of the metric. */
  readonly metricName: string;
  /** The target, seconds; for versions of KEDA that do not know the next field. */
  readonly targetSize: number;
  /** The same. */
  readonly targetSizeFloat: number;
}

export const MetricSpecCodec = new TableCodec<MetricSpec>("externalscaler.MetricSpec", [
  { name: "metricName", number: 1, type: "string" },
  { name: "targetSize", number: 2, type: "int64" },
  { name: "targetSizeFloat", number: 3, type: "double" },
]);

/** What is measured. */
export interface GetMetricSpecResponse {
  /** One element. */
  readonly metricSpecs: readonly MetricSpec[];
}

export const GetMetricSpecResponseCodec = new TableCodec<GetMetricSpecResponse>("externalscaler.GetMetricSpecResponse", [
  { name: "metricSpecs", number: 1, type: { message: MetricSpecCodec }, label: "repeated" },
]);

/** Asks for a metric. */
export interface GetMetricsRequest {
  /** Who asks. */
  readonly scaledObjectRef: ScaledObjectRef | null;
  /** A name that GetMetricSpec told. */
  readonly metricName: string;
}

export const GetMetricsRequestCodec = new TableCodec<GetMetricsRequest>("externalscaler.GetMetricsRequest", [
  { name: "scaledObjectRef", number: 1, type: { message: ScaledObjectRefCodec }, label: "optional" },
  { name: "metricName", number: 2, type: "string" },
]);

/** The value of a metric. */
export interface MetricValue {
  /** Name of the metric. */
  readonly metricName: string;
  /** Lag, whole seconds, rounded up; for versions of KEDA that do not know the next field. */
  readonly metricValue: number;
  /** Lag, seconds. */
  readonly metricValueFloat: number;
}

export const MetricValueCodec = new TableCodec<MetricValue>("externalscaler.MetricValue", [
  { name: "metricName", number: 1, type: "string" },
  { name: "metricValue", number: 2, type: "int64" },
  { name: "metricValueFloat", number: 3, type: "double" },
]);

/** What was measured. */
export interface GetMetricsResponse {
  /** One element. */
  readonly metricValues: readonly MetricValue[];
}

export const GetMetricsResponseCodec = new TableCodec<GetMetricsResponse>("externalscaler.GetMetricsResponse", [
  { name: "metricValues", number: 1, type: { message: MetricValueCodec }, label: "repeated" },
]);
