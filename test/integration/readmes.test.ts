/**
 * readmes.test.ts: what the public packages' READMEs show works: programs run as they stand, on a cluster; fragments compile; commands run.
 * readme-blocks.ts says which block is what. The one change: the address that a README names becomes the cluster's.
 */
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startCluster, type TestCluster } from "@varve/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Block, blocksOf, fileNameOf, isFragment, isProgram } from "./readme-blocks.js";
import { until, VarveProcess, varve } from "./varve-process.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const READMES = [
  "README.md",
  "packages/cli/README.md",
  "packages/client/README.md",
  "packages/testing/README.md",
  "packages/raft/README.md",
] as const;
const ADDRESS = "127.0.0.1:7650";
const LOG_LINES = ["10.0.0.1 GET /", "10.0.0.2 GET /about", "10.0.0.1 POST /orders", "10.0.0.3 GET /"];

/** What fragments speak of and do not make themselves. */
const SURROUNDINGS = `
import { type Consumer, type Producer, type TopicPartition, type TopicPartitionOffset, Varve, VarveError, type VarveRecord } from "@varve/client";
import { createAuthority } from "@varve/testing";
import { context, propagation, type TextMapGetter } from "@opentelemetry/api";
declare const varve: Varve;
declare const producer: Producer;
declare const consumer: Consumer;
declare const signal: AbortSignal;
declare const orders: readonly { readonly id: string; readonly text: string }[];
declare function report(error: unknown): void;
declare function saveForLater(): Promise<void>;
declare function charge(value: Buffer | null, context?: { readonly signal: AbortSignal; readonly attempt: number }): Promise<void>;
declare function store(record: VarveRecord): Promise<void>;
declare function loadOffsets(partitions: readonly TopicPartition[], epoch: number): Promise<TopicPartitionOffset[]>;
declare function release(partitions: readonly TopicPartition[]): Promise<void>;
`;

const readmes = READMES.map((path) => {
  const blocks = blocksOf(readFileSync(join(root, path), "utf8"));
  return {
    path,
    blocks,
    programs: blocks.filter(isProgram),
    commands: blocks.filter((each) => each.language === "sh"),
  };
});
const folder = mkdtempSync(join(tmpdir(), "varve-readmes-"));

/** The file of a block: a name per README and place in it. */
function fileOf(path: string, block: Block, extension: string): string {
  const at = readmes.find((readme) => readme.path === path)?.blocks.indexOf(block) ?? -1;
  return `${path.split("/").at(-2) ?? "root"}-${at}.${extension}`;
}

/** Longest that commands of a README take; well below the test's own limit, so that none outlives its test. */
const COMMANDS_MS = 120_000;

let cluster: TestCluster;
let bootstrap: string;
const started: VarveProcess[] = [];

/** Runs a program of the folder. What a failed test leaves running is killed at the end. */
function run(name: string): VarveProcess {
  const begun = new VarveProcess([], { stdin: "", env: { VARVE_BOOTSTRAP: bootstrap } }, join(folder, name));
  started.push(begun);
  return begun;
}

beforeAll(async () => {
  cluster = await startCluster();
  bootstrap = [cluster.bootstrap].flat().join(",");
  // As in an empty folder into which the packages were installed.
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "access.log"), `${LOG_LINES.join("\n")}\n`);
  mkdirSync(join(folder, "bin"));
  const command = join(folder, "bin", "varve");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, "packages/cli/bin/varve.js")}" "$@"\n`);
  chmodSync(command, 0o755);
});
afterAll(async () => {
  for (const { child } of started) child.kill("SIGKILL");
  await cluster.close();
  rmSync(folder, { recursive: true });
});

/** Compiles what was written in TypeScript, all at once, and answers with the compiler's complaints. */
function compile(): string {
  const files: string[] = [];
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    files.push(name);
  };
  for (const { path, blocks } of readmes) {
    for (const block of blocks) {
      const code = block.code.replaceAll(ADDRESS, bootstrap);
      if (isFragment(block)) {
        write(fileOf(path, block, "ts"), `${SURROUNDINGS}export async function fragment() {\n${code}}\n`);
      } else if (isProgram(block)) {
        if (block.language === "ts") write(fileOf(path, block, "ts"), `${code}export {};\n`);
        else writeFileSync(join(folder, fileOf(path, block, "js")), code);
      }
    }
  }
  const compilerOptions = { strict: true, module: "nodenext", target: "es2022", types: ["node"], skipLibCheck: true };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  try {
    return execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    return String((error as { readonly stdout?: unknown }).stdout);
  }
}

/** Runs commands as a shell does, to the first that fails. */
function shell(script: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, VARVE_BOOTSTRAP: bootstrap };
  return new Promise((resolve) => {
    execFile("bash", ["-e", "-c", script], { cwd: folder, env, timeout: COMMANDS_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

test("a README's programs and fragments are told apart, and none is overlooked", () => {
  for (const { path, blocks } of readmes) {
    const words = blocks.map(({ language, info }) => `${language} ${info}`.trim());
    const known = words.filter((word) => /^(?:ts|ts fragment|js|sh|json|mermaid|)$/.test(word));
    expect(known, path).toEqual(words);
    expect(
      blocks.some((block) => isProgram(block) || block.language === "sh"),
      path,
    ).toBe(true);
  }
  expect(blocksOf("# A\n```ts fragment\na\n```\ntext\n## B\n```js\n// b.mjs: b\n```\nIt prints `1`\n")).toMatchObject([
    { heading: "A", language: "ts", info: "fragment", code: "a\n", prints: null },
    { heading: "B", language: "js", code: "// b.mjs: b\n", prints: "1" },
  ]);
  expect(() => blocksOf("```ts\nopen\n")).toThrow("not closed");
});

test("programs and fragments in TypeScript compile under strict", () => {
  expect(compile()).toBe("");
});

for (const { path, programs, commands } of readmes) {
  describe(path, () => {
    // Each README begins with an empty cluster.
    afterAll(async () => {
      const { admin } = cluster.varve();
      for (const { group } of await admin.listGroups()) await admin.deleteGroup(group);
      for (const { topic } of await admin.listTopics()) await admin.deleteTopic(topic);
    });

    test.each(programs)("the program under $heading runs", async (block) => {
      if (path === "README.md") await cluster.varve().admin.createTopic({ topic: "logs", ifNotExists: true });
      const { code, stdout, stderr } = await run(fileOf(path, block, "js")).finished;
      expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
      if (block.prints !== null) expect(stdout).toContain(block.prints);
    });

    if (commands.length > 0) {
      test.each(commands)("the commands under $heading run, one after another", async ({ code: script }) => {
        const { code, stdout, stderr } = await shell(script);
        expect(code, `${stdout}${stderr}`).toBe(0);
        expect(stdout).toContain(LOG_LINES[1]);
      });
    }
  });
}

describe("README.md, Stream events with a group", () => {
  const blocks = readmes.find(({ path }) => path === "README.md")?.blocks ?? [];

  function start(name: string): VarveProcess {
    const block = blocks.find((each) => fileNameOf(each) === name);
    expect(block?.heading, name).toBe("Stream events with a group");
    writeFileSync(join(folder, name), block?.code ?? "");
    return run(name);
  }
  const billedBy = ({ stdout }: VarveProcess): number =>
    Number(
      stdout
        .match(/billed (\d+)/g)
        ?.at(-1)
        ?.slice(7) ?? 0,
    );
  /** Waits until the program has printed `pattern` once more. */
  const untilAgain = async (process: VarveProcess, pattern: RegExp): Promise<void> => {
    const before = process.stdout.match(pattern)?.length ?? 0;
    await until(`${pattern} again`, () => ((process.stdout.match(pattern)?.length ?? 0) > before ? true : null));
  };

  test("producer and workers stream, replay after a seek, and go on after kill -9 of a worker and of the coordinator", async () => {
    const producer = start("producer.mjs");
    const first = start("worker.mjs");
    const second = start("worker.mjs");
    await until("both workers work", () => (billedBy(first) > 0 && billedBy(second) > 0 ? true : null));

    const seek = await varve(["group", "seek", "billing", "--topic", "orders", "--to", "earliest"], {
      env: { VARVE_BOOTSTRAP: bootstrap },
    });
    expect(seek).toMatchObject({ code: 0 });
    for (const worker of [first, second]) {
      await until("the replay", () =>
        /begins with \d at 0, \d at 0, \d at 0\n[\s\S]*billed/.test(worker.stdout) ? true : null,
      );
    }

    first.child.kill("SIGKILL");
    const { coordinator } = await cluster.varve().admin.describeGroup("billing");
    await cluster.kill(coordinator ?? 1);
    await untilAgain(producer, /orders stored/g);
    await untilAgain(second, /has billed/g);
    await until("all partitions", async () => {
      const { members } = await cluster.varve().admin.describeGroup("billing");
      return members.length === 1 && members[0]?.assigned.length === 6 ? true : null;
    });

    producer.child.kill("SIGTERM");
    expect(await producer.finished).toMatchObject({ code: 0, stderr: "" });
    expect(producer.stdout).toMatch(/^\d+ orders stored in all$/m);
    await until("no lag", async () => {
      const { offsets } = await cluster.varve().admin.describeGroup("billing");
      return offsets.length === 6 && offsets.every(({ lagRecords }) => lagRecords === 0) ? true : null;
    });
    second.child.kill("SIGTERM");
    expect(await second.finished).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout).toMatch(/lets go of [\s\S]*in all\n$/);
  });
});
