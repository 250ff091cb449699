/**
 * snapshot-v2.ts: version 2 of the controller's section, which clusters of feature level 1 write and read: it has no level, no oldest level of a
 * broker, and of each replica of the controller a flag `voter` that nobody ever obeyed (who votes stands in the group's own configuration).
 *
 * Reading, it changes just that: the reader of the newest version judges the result, whatever this makes of damaged input.
 */
import { FIRST_LEVEL } from "./feature-levels.js";

type Fields = Readonly<Record<string, unknown>>;

export function fromVersion2(raw: unknown): unknown {
  if (!isFields(raw)) return raw;
  return {
    ...raw,
    version: 3,
    featureLevel: FIRST_LEVEL,
    controllerReplicas: each(raw["controllerReplicas"], ({ voter: _unused, ...replica }) => replica),
    brokers: each(raw["brokers"], (broker) => ({ ...broker, formatVersionMin: FIRST_LEVEL })),
  };
}

/** What version 2 keeps of a broker and of a replica of the controller, in its order of fields. */
interface Written {
  readonly controllerReplicas: readonly {
    readonly peerAddress: string;
    readonly leaving: boolean;
  }[];
  readonly brokers: readonly { readonly formatVersionMin: number }[];
}

/** The same state in version 2. Nothing is lost: at level 1 every broker supports level 1. */
export function toVersion2<T extends Written & { readonly featureLevel: number }>(snapshot: T): object {
  const { featureLevel: _one, ...kept } = snapshot;
  return {
    ...kept,
    version: 2,
    controllerReplicas: snapshot.controllerReplicas.map(({ leaving, ...replica }) => ({
      ...replica,
      voter: false,
      leaving,
    })),
    brokers: snapshot.brokers.map(({ formatVersionMin: _first, ...broker }) => broker),
  };
}

function each(value: unknown, fill: (fields: Fields) => Fields): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => (isFields(item) ? fill(item) : item)) : value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
