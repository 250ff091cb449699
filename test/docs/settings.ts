/** settings.ts: the configuration reference: a broker's settings, as `varve config reference` prints them, and a topic's. */
import { DAY_MS, GIB, KIB, MIB, SECOND_MS } from "@varve/base";
import { type ConfigReferenceRow, configReference } from "@varve/broker";
import { TOPIC_CONFIG, type TopicConfigRow } from "@varve/cluster";
import { table } from "./markdown.js";

/** Larger units with their names, largest first. */
const LARGER: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  ms: [
    [DAY_MS, "d"],
    [SECOND_MS, "s"],
  ],
  bytes: [
    [GIB, "GiB"],
    [MIB, "MiB"],
    [KIB, "KiB"],
  ],
};

export function brokerTable(): string {
  const rows = configReference().map((row) => [
    `\`${row.path}\``,
    row.required ? "must be set" : readable(row.default, row.unit),
    rangeOf(row),
    `\`${row.env}\``,
    row.effect,
  ]);
  return table(["setting", "default", "range", "variable", "effect"], rows);
}

export function topicTable(): string {
  const settings: Readonly<Record<string, TopicConfigRow>> = TOPIC_CONFIG;
  const rows = Object.entries(settings).map(([key, row]) => [
    `\`${key}\``,
    readable(row.default, row.unit),
    integerRange(row),
    row.effect,
  ]);
  return table(["setting", "default", "range", "effect"], rows);
}

/** `134217728 (128 MiB)`: the value as it is written, and as it is read. */
function readable(value: ConfigReferenceRow["default"], unit: string): string {
  if (value === null) return "unset";
  if (typeof value !== "number") return String(value);
  const [size, name] = LARGER[unit]?.find(([each]) => value >= each && value % each === 0) ?? [];
  return size === undefined ? String(value) : `${value} (${value / size} ${name})`;
}

function rangeOf(row: ConfigReferenceRow): string {
  switch (row.type) {
    case "choice":
      return row.choices.join(", ");
    case "boolean":
      return "true, false";
    case "list":
      return `${row.min} to ${row.max} of host:port`;
    case "text":
      return `text of 1 to ${row.max} characters`;
    default:
      return integerRange(row);
  }
}

function integerRange(row: Pick<ConfigReferenceRow, "min" | "max" | "unit" | "unlimited">): string {
  return `${row.min} .. ${row.max} ${row.unit}`.trim() + (row.unlimited ? ", -1 = no bound" : "");
}
