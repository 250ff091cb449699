/** chart-schema.ts: the part of the chart's values.schema.json that says which settings of a broker `config` may hold. Pure. */
import { type ConfigReferenceRow, configReference } from "@varve/broker";

/** What the chart sets itself, by values of its own, so that its Services, probes and certificates fit; a group stands for all in it. */
const OF_THE_CHART: ReadonlySet<string> = new Set([
  "brokerId",
  "cluster",
  "advertised",
  "dataDir",
  "shutdownGraceMs",
  "listen.grpcPort",
  "listen.peerPort",
  "listen.opsPort",
  "listen.metricsPort",
  "listen.insecure",
  "tls",
  "peerTls",
]);

/** A JSON Schema, draft 7. */
interface Schema {
  readonly [keyword: string]: unknown;
}
interface Group {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly properties: Record<string, Schema | Group>;
}

/** `document`: values.schema.json; returned with the schema of `config` made anew. */
export function withConfigSchema(document: string): string {
  const schema = JSON.parse(document) as { properties: Record<string, unknown> };
  schema.properties["config"] = configSchema();
  return formatted(schema);
}

function configSchema(): Group {
  const root = group();
  for (const row of configReference()) {
    const [first = "", second] = row.path.split(".");
    if (OF_THE_CHART.has(first) || OF_THE_CHART.has(row.path)) continue;
    if (second === undefined) root.properties[first] = settingSchema(row);
    else {
      const above = (root.properties[first] ?? group()) as Group;
      above.properties[second] = settingSchema(row);
      root.properties[first] = above;
    }
  }
  return root;
}

function group(): Group {
  return { type: "object", additionalProperties: false, properties: {} };
}

function settingSchema({ type, min, max, unlimited, choices }: ConfigReferenceRow): Schema {
  switch (type) {
    case "integer": {
      const range = { minimum: min, maximum: max };
      return unlimited ? { type: "integer", anyOf: [{ const: -1 }, range] } : { type: "integer", ...range };
    }
    case "text":
      return { type: "string", minLength: min, maxLength: max };
    case "choice":
      return { enum: choices };
    case "boolean":
      return { type: "boolean" };
    case "list":
      return { type: "array", items: { type: "string" }, minItems: min, maxItems: max };
  }
}

/** As the formatter writes it: short lists on one line. */
function formatted(schema: unknown): string {
  const text = JSON.stringify(schema, null, 2);
  return `${text.replaceAll(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items: string) => `[${items.replaceAll(/\s+/g, " ")}]`)}\n`;
}
