/**
 * external-scaler.ts: KEDA's ExternalScaler, served beside the public API: the lag of a consumer group in seconds, from any broker.
 *
 * It asks what DescribeGroup asks: the group's coordinator, then the leaders of its partitions, wherever they are. A group that is not there
 * yet reads from its topic's first records on, so consumers can be started for a group that has never had one.
 * Source: keda.sh, "External Scalers"; kedacore/keda issues 3997 (no more consumers than partitions with lag), 4552 (no commit yet).
 */
import { type Clock, delay, isVarveError, VarveError } from "@varve/base";
import type { ScalerServiceHandlers } from "@varve/rpc";
import { type GroupApi, groupError } from "../api/group-api.js";
import { callContext } from "../api/requests.js";
import { type NamedPlace, readerPlaces } from "../groups/reader-places.js";
import type { CallContext, Router } from "../routing/router.js";
import { type GroupLag, groupLag, isActive, metricSeconds } from "./group-lag.js";
import { type ScalerSettings, scalerSettings } from "./settings.js";

export interface ScalerOptions {
  readonly api: Pick<GroupApi, "describe" | "backlogs">;
  readonly router: Pick<Router, "locateTopic" | "topicName">;
  readonly clock: Clock;
  /** The cluster's time, milliseconds since 1970, as append times are taken from. */
  readonly nowMs: () => number;
  readonly requestDeadlineMs: number;
}

/** The one metric. */
export const LAG_METRIC = "varve-lag-seconds";
/** Time between two looks of an open StreamIsActive, milliseconds. */
const LOOK_MS = 5_000;

/** In place of the name of a topic that is gone, in which a group may still have offsets. */
const DELETED = "";

interface Call {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

export function externalScaler(options: ScalerOptions): ScalerServiceHandlers {
  const { clock, requestDeadlineMs } = options;
  const lagOf = (settings: ScalerSettings, call: Call): Promise<GroupLag> =>
    measure(options, settings, callContext(clock.monotonicMs(), requestDeadlineMs, call));
  return {
    isActive: async ({ scalerMetadata }, call) => {
      const settings = scalerSettings(scalerMetadata);
      return { result: isActive(await lagOf(settings, call), settings) };
    },
    streamIsActive: async (stream, call) => {
      for await (const { scalerMetadata } of stream.requests) {
        const settings = scalerSettings(scalerMetadata);
        let told: boolean | null = null;
        while (!call.signal.aborted) {
          const result = isActive(await lagOf(settings, call), settings);
          if (result !== told) await stream.write({ result });
          told = result;
          await delay(clock, LOOK_MS, call.signal);
        }
      }
    },
    getMetricSpec: async ({ scalerMetadata }) => {
      const { lagSeconds } = scalerSettings(scalerMetadata);
      return { metricSpecs: [{ metricName: LAG_METRIC, targetSize: lagSeconds, targetSizeFloat: lagSeconds }] };
    },
    getMetrics: async ({ scaledObjectRef, metricName }, call) => {
      if (metricName !== LAG_METRIC) throw unknownMetric(metricName);
      const settings = scalerSettings(scaledObjectRef?.scalerMetadata ?? {});
      const seconds = metricSeconds(await lagOf(settings, call), settings);
      return { metricValues: [{ metricName, metricValue: Math.ceil(seconds), metricValueFloat: seconds }] };
    },
  };
}

/** @throws VarveError as the service's comments in externalscaler.proto say. */
async function measure(options: ScalerOptions, settings: ScalerSettings, context: CallContext): Promise<GroupLag> {
  try {
    const places = await placesOf(options, settings, context);
    const backlogs = await options.api.backlogs(places, context);
    return groupLag(places, backlogs, settings, options.nowMs());
  } catch (thrown) {
    throw groupError(thrown, settings.group);
  }
}

/** Where the group's readers stand; in a topic that it has no part in yet, before the first record. */
async function placesOf(
  { api, router }: ScalerOptions,
  { group, topic }: ScalerSettings,
  context: CallContext,
): Promise<readonly NamedPlace[]> {
  const places = await api.describe(group, context).then(
    (described) => readerPlaces(described, (topicId) => router.topicName(topicId) ?? DELETED),
    (thrown: unknown) => {
      if (isVarveError(thrown) && thrown.code === "UNKNOWN_GROUP") return [];
      throw thrown;
    },
  );
  if (topic === null) {
    const here = places.filter((place) => place.topic !== DELETED);
    if (here.length === 0) throw nowhere(group);
    return here;
  }
  const { topicId, partitions } = await router.locateTopic({ topic, topicId: "" }, context);
  const known = new Map(places.filter((place) => place.topicId === topicId).map((place) => [place.partition, place]));
  return partitions.map(({ partition }) => known.get(partition) ?? { topicId, topic, partition, from: null });
}

function nowhere(group: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `the group ${group} has read no topic yet, so nobody knows what it will read; name it in the trigger's metadata: topic`,
    details: { group },
    effect: "NONE",
  });
}

function unknownMetric(metricName: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", {
    message: `there is no metric ${JSON.stringify(metricName.slice(0, 100))}; the one is ${LAG_METRIC}`,
    effect: "NONE",
  });
}
