/** breaking.test.ts: the schema against the last version's, kept in test/fixtures, by buf's strictest rules (proto/buf.yaml: FILE). */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const fixtures = join(root, "test/fixtures");
const images = readdirSync(fixtures).filter((name) => name.endsWith(".binpb"));
const last = join(fixtures, images[0] ?? "none");

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** What buf says about `schema` compared with the last version; empty: nothing breaks. */
function breaks(schema: string): string {
  const buf = join(root, "node_modules/.bin/buf");
  const { status, stdout, stderr } = spawnSync(buf, ["breaking", schema, "--against", last], { encoding: "utf8" });
  if (status !== 0 && status !== 100) throw new Error(`buf did not run: ${stderr}`);
  expect(status === 0, "buf's exit code says what its output says").toBe(stdout === "");
  return stdout;
}

/** A copy of the schema in which one file is changed. */
function changed(file: string, change: (text: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-proto-"));
  folders.push(folder);
  cpSync(join(root, "proto"), folder, { recursive: true });
  const path = join(folder, "varve/v1", file);
  const text = readFileSync(path, "utf8");
  expect(change(text), "the change changes something").not.toBe(text);
  writeFileSync(path, change(text));
  return folder;
}

test("the schema breaks nothing that the last version promised", () => {
  expect(breaks(join(root, "proto"))).toBe("");
});

test("one version is kept, and it is none to come", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const kept = images.map((name) => /^proto-v(\d+\.\d+\.\d+)\.binpb$/.exec(name)?.[1]);
  expect(kept).toHaveLength(1);
  const number = (text = ""): number => text.split(".").reduce((sum, part) => sum * 1_000 + Number(part), 0);
  expect(number(kept[0])).toBeLessThanOrEqual(number(version));
});

test.each([
  {
    change: "a field is removed",
    file: "group.proto",
    from: /\n {2}\/\/ Name of the group\.\n {2}string group = 1;\n\}/,
    to: "\n}",
    said: /field "1" with name "group" .* was deleted/,
  },
  {
    change: "a field has another number",
    file: "log.proto",
    from: "int32 producer_epoch = 2;",
    to: "int32 producer_epoch = 3;",
    said: /field "2" with name "producer_epoch" .* was deleted/,
  },
  {
    change: "a field has another type",
    file: "log.proto",
    from: "optional int64 producer_id = 1;",
    to: "optional string producer_id = 1;",
    said: /producer_id.* changed type/,
  },
  {
    change: "a field has another name",
    file: "log.proto",
    from: "int32 producer_epoch = 2;",
    to: "int32 epoch_of_producer = 2;",
    said: /changed name/,
  },
  {
    change: "a call is removed",
    file: "group.proto",
    from: /\n {2}rpc DeleteGroup\([^)]*\) returns \([^)]*\);/,
    to: "",
    said: /RPC "DeleteGroup" .* was deleted/,
  },
])("it is found when $change", ({ file, from, to, said }) => {
  expect(breaks(changed(file, (text) => text.replace(from, to)))).toMatch(said);
});

test("nothing is said when a field is added", () => {
  const added = (text: string): string =>
    text.replace("message DeleteGroupRequest {", "message DeleteGroupRequest {\n  bool force = 99;");
  expect(breaks(changed("group.proto", added))).toBe("");
});
