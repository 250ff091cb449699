/**
 * generate.mjs: makes src/gen/ from proto/: types and field tables per package, and the file descriptors for reflection.
 *
 * `node packages/rpc/scripts/generate.mjs [OUT_DIR]`. Needs no network: buf is a dev dependency. Its output is committed; a test
 * compares it with a fresh run.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packageDir = join(dirname(fileURLToPath(import.meta.url)), "..");
const repositoryDir = join(packageDir, "../..");
const outDir = process.argv[2] ?? join(packageDir, "src/gen");

/** Protobuf packages with the module that gets their types. v1alpha of reflection has the messages of v1. */
const MODULES = [
  { module: "keda", packages: ["externalscaler"] },
  { module: "google", packages: ["google.protobuf", "google.rpc"] },
  { module: "grpc", packages: ["grpc.health.v1", "grpc.reflection.v1"] },
  { module: "varve", packages: ["varve.v1"] },
];
const SCALARS = {
  TYPE_BOOL: "bool",
  TYPE_BYTES: "bytes",
  TYPE_DOUBLE: "double",
  TYPE_INT32: "int32",
  TYPE_INT64: "int64",
  TYPE_STRING: "string",
};
const TS_TYPES = {
  bool: "boolean",
  bytes: "Uint8Array",
  double: "number",
  int32: "number",
  int64: "number",
  string: "string",
};
const NOTICE = "Made by scripts/generate.mjs from proto/; do not edit.";

function buf(args) {
  const bin = join(repositoryDir, "node_modules/.bin/buf");
  return execFileSync(bin, ["build", "proto", ...args], { cwd: repositoryDir, maxBuffer: 64 * 1024 * 1024 });
}

const files = JSON.parse(buf(["-o", "-#format=json"]).toString("utf8")).file;

/** Comments by the path of what they stand above: "4,0,2,1" is field 1 of message 0. */
function commentsOf(file) {
  const comments = new Map();
  for (const { path, leadingComments } of file.sourceCodeInfo?.location ?? []) {
    if (leadingComments !== undefined) comments.set((path ?? []).join(","), leadingComments.trim());
  }
  return comments;
}

function doc(indent, text) {
  if (text === undefined) return "";
  const lines = text.split("\n").map((line) => line.trim().replaceAll("*/", "* /"));
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} *${line === "" ? "" : ` ${line}`}\n`).join("")}${indent} */\n`;
}

function camel(name) {
  return name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

/** `.varve.v1.HealthCheckResponse.ServingStatus` -> HealthCheckResponseServingStatus. */
function tsName(typeName) {
  return typeName
    .split(".")
    .filter((part) => /^[A-Z]/.test(part))
    .join("");
}

function enumText(scope, path, comments, type) {
  const name = tsName(`${scope}.${type.name}`);
  const prefix = `${type.name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()}_`;
  const rows = type.value.map((value, at) => {
    const key = value.name.startsWith(prefix) ? value.name.slice(prefix.length) : value.name;
    return `${doc("  ", comments.get(`${path},2,${at}`))}  ${key}: ${value.number ?? 0},\n`;
  });
  return [
    `${doc("", comments.get(path))}export const ${name} = {\n${rows.join("")}} as const;`,
    `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
    `const ${name}Values: ReadonlySet<number> = new Set(Object.values(${name}));`,
  ].join("\n");
}

function fieldOf(field, mapEntries) {
  const entry = mapEntries.get(field.typeName);
  if (entry !== undefined) {
    const value = fieldOf(entry.field[1], mapEntries);
    return {
      ts: `{ readonly [key: string]: ${value.element} }`,
      element: value.element,
      type: value.type,
      label: "map",
    };
  }
  const scalar = SCALARS[field.type];
  const name = scalar === undefined ? tsName(field.typeName) : scalar;
  const element = scalar === undefined ? name : TS_TYPES[scalar];
  const type =
    scalar !== undefined
      ? `"${scalar}"`
      : field.type === "TYPE_ENUM"
        ? `{ enum: ${name}Values }`
        : field.type === "TYPE_MESSAGE"
          ? `{ message: ${name}Codec }`
          : fail(`field type ${field.type} is not supported`);
  if (field.label === "LABEL_REPEATED") return { ts: `readonly ${element}[]`, element, type, label: "repeated" };
  const optional = field.oneofIndex !== undefined || field.type === "TYPE_MESSAGE";
  return { ts: optional ? `${element} | null` : element, element, type, label: optional ? "optional" : null };
}

function fail(message) {
  throw new Error(message);
}

/** The texts of a message and what is nested in it, with the codecs that each needs. */
function messageTexts(scope, path, comments, message) {
  const fullName = `${scope}.${message.name}`;
  const nested = message.nestedType ?? [];
  const mapEntries = new Map(
    nested.filter((type) => type.options?.mapEntry === true).map((type) => [`.${fullName}.${type.name}`, type]),
  );
  const enums = (message.enumType ?? []).map((type, at) => enumText(fullName, `${path},4,${at}`, comments, type));
  const fields = (message.field ?? []).map((field, at) => ({
    ...fieldOf(field, mapEntries),
    name: camel(field.name),
    number: field.number,
    comment: comments.get(`${path},2,${at}`),
  }));
  const name = tsName(fullName);
  const members = fields.map((field) => `${doc("  ", field.comment)}  readonly ${field.name}: ${field.ts};\n`);
  const rows = fields.map(({ name: key, number, type, label }) => {
    const labelText = label === null ? "" : `, label: "${label}"`;
    return `  { name: "${key}", number: ${number}, type: ${type}${labelText} },\n`;
  });
  const shape = fields.length === 0 ? "Readonly<Record<never, never>>;" : `{\n${members.join("")}}`;
  const head = fields.length === 0 ? `export type ${name} = ${shape}` : `export interface ${name} ${shape}`;
  const codec = `export const ${name}Codec = new TableCodec<${name}>("${fullName}", [\n${rows.join("")}]);`;
  const needs = fields.flatMap(({ type }) => [...type.matchAll(/message: (\w+)Codec/g)].map((match) => match[1]));
  const inner = nested
    .map((type, at) => ({ type, at }))
    .filter(({ type }) => type.options?.mapEntry !== true)
    .flatMap(({ type, at }) => messageTexts(fullName, `${path},3,${at}`, comments, type));
  return [...inner, { name, needs, text: [...enums, `${doc("", comments.get(path))}${head}`, codec].join("\n\n") }];
}

/** Messages after those that they hold. */
function inOrderOfNeed(messages) {
  const byName = new Map(messages.map((message) => [message.name, message]));
  const ordered = new Set();
  const visit = (message) => {
    for (const need of message.needs) if (byName.has(need)) visit(byName.get(need));
    ordered.add(message);
  };
  for (const message of messages) visit(message);
  return [...ordered];
}

function moduleText(packages) {
  const members = packages.flatMap((name) => files.filter((file) => file.package === name));
  const enums = [];
  const messages = [];
  for (const file of members) {
    const isOurText = file.package.startsWith("varve.") || file.package === "externalscaler";
    const comments = isOurText ? commentsOf(file) : new Map();
    for (const [at, type] of (file.enumType ?? []).entries())
      enums.push(enumText(file.package, `5,${at}`, comments, type));
    for (const [at, type] of (file.messageType ?? []).entries()) {
      messages.push(...messageTexts(file.package, `4,${at}`, comments, type));
    }
  }
  const head = `/** Messages of ${packages.join(", ")}. ${NOTICE} */\nimport { TableCodec } from "../wire/message-codec.js";`;
  return `${[head, ...enums, ...inOrderOfNeed(messages).map(({ text }) => text)].join("\n\n")}\n`;
}

/** The serialised FileDescriptorProtos: the elements of field 1 of a FileDescriptorSet. */
function splitSet(bytes) {
  const elements = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at++] !== 0x0a) fail("a FileDescriptorSet has field 1 only");
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    elements.push(bytes.subarray(at, at + length));
    at += length;
  }
  return elements;
}

/** Every name that a file declares and that reflection may be asked for. */
function symbolsOf(file) {
  const symbols = [];
  const types = (scope, messages, enums) => {
    for (const type of enums ?? []) symbols.push(`${scope}.${type.name}`);
    for (const type of messages ?? []) {
      symbols.push(`${scope}.${type.name}`);
      types(`${scope}.${type.name}`, type.nestedType, type.enumType);
    }
  };
  types(file.package, file.messageType, file.enumType);
  for (const service of file.service ?? []) {
    symbols.push(`${file.package}.${service.name}`);
    for (const method of service.method ?? []) symbols.push(`${file.package}.${service.name}.${method.name}`);
  }
  return symbols.sort();
}

function descriptorsText() {
  const encoded = splitSet(buf(["--as-file-descriptor-set", "-o", "-"]));
  const rows = files.map((file, at) => {
    const fields = {
      name: file.name,
      dependencies: file.dependency ?? [],
      services: (file.service ?? []).map(({ name }) => `${file.package}.${name}`),
      symbols: symbolsOf(file),
      base64: encoded[at].toString("base64"),
    };
    return `  ${JSON.stringify(fields)},\n`;
  });
  return [
    `/** The schema files as serialised FileDescriptorProtos, for server reflection. ${NOTICE} */`,
    `export interface SchemaFile {
  readonly name: string;
  /** Names of the files that it imports. */
  readonly dependencies: readonly string[];
  readonly services: readonly string[];
  /** Full names of everything that it declares. */
  readonly symbols: readonly string[];
  readonly base64: string;
}`,
    `export const SCHEMA_FILES: readonly SchemaFile[] = [\n${rows.join("")}];\n`,
  ].join("\n\n");
}

mkdirSync(outDir, { recursive: true });
for (const { module, packages } of MODULES) writeFileSync(join(outDir, `${module}.ts`), moduleText(packages));
writeFileSync(join(outDir, "descriptors.ts"), descriptorsText());
