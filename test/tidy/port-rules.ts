/**
 * port-rules.ts: the world (clock, chance, timers, files, sockets, threads, the process) is reached through ports only, so that the code which
 * is shipped is the code which is simulated.
 */
import { isTest, isTesting, packageOfPath } from "./layers.js";
import type { Rule } from "./rule.js";
import { importsOf, matches } from "./source.js";

/**
 * Packages that are a process's outermost shell, so their whole code may touch the world: `cli` is the process that people start, `examples` are
 * programs to copy.
 */
const SHELL_PACKAGES: readonly string[] = ["cli", "examples"];

/** Real adapters live in `src/node`; simulated ones may use real timers to run a test. */
const mayTouchTheWorld = (path: string): boolean =>
  /\/src\/node\//.test(path) || SHELL_PACKAGES.includes(packageOfPath(path) ?? "") || isTesting(path) || isTest(path);

const WORLD =
  /(?<![.\w$])(?:globalThis\s*\.\s*)?(?:Date\b|performance\b|(?:Math\s*\.\s*random|AbortSignal\s*\.\s*timeout)\b|set(?:Timeout|Interval|Immediate)\b|process\s*[.[]|crypto\s*\.|fetch\s*\(|new\s+(?:WebSocket|Worker)\b)/;

const PORTS: Rule = {
  name: "the world is reached through ports",
  check(source) {
    if (mayTouchTheWorld(source.path)) return [];
    const modules = importsOf(source).filter(({ module }) => module.startsWith("node:"));
    return [...modules.map(({ module, at }) => `${at}: ${module}`), ...matches(source, WORLD)];
  },
  bad: [
    ["packages/raft/src/x.ts", "export const now = () => Date.now();\n"],
    ["packages/raft/src/x.ts", "export const at = new Date();\n"],
    ["packages/broker/src/x.ts", "const startedMs = performance.now();\n"],
    ["packages/broker/src/x.ts", "const started = globalThis.performance.now();\n"],
    ["packages/cluster/src/x.ts", "const roll = Math.random();\n"],
    ["packages/cluster/src/x.ts", `const text = \`${"$"}{Math.random()}\`;\n`],
    ["packages/client/src/x.ts", "setTimeout(() => {}, 5);\n"],
    ["packages/client/src/x.ts", "setInterval(tick, 5);\n"],
    ["packages/client/src/x.ts", "setImmediate(tick);\n"],
    ["packages/client/src/x.ts", "const signal = AbortSignal.timeout(5);\n"],
    ["packages/storage/src/x.ts", 'import { openSync } from "node:fs";\n'],
    ["packages/storage/src/x.ts", 'import type { FileHandle } from "node:fs/promises";\n'],
    ["packages/peer/src/x.ts", 'import { connect } from "node:net";\n'],
    ["packages/rpc/src/x.ts", 'import { createServer } from "node:http2";\n'],
    ["packages/storage/src/x.ts", 'import { Worker } from "node:worker_threads";\n'],
    ["packages/broker/src/x.ts", "const port = process.env.PORT;\n"],
    ["packages/broker/src/x.ts", "const id = crypto.randomUUID();\n"],
  ],
  good: [
    ["packages/storage/src/node/x.ts", 'import { openSync } from "node:fs";\nconst startedMs = Date.now();\n'],
    ["packages/base/src/testing/x.ts", "setImmediate(tick);\n"],
    ["packages/cli/src/x.ts", "const port = process.env.PORT;\n"],
    [
      "packages/raft/src/x.ts",
      '/** Not Date.now(). */\nconst a = "Date.now()";\nconst b = `Math.random()`;\nconst c = /Date\\/"/;\n',
    ],
    ["packages/broker/src/x.ts", "clock.setTimeout(1);\nconst updateDate = options.process;\n"],
  ],
};

const SERVICES: Rule = {
  name: "services are implemented in the broker only",
  check(source) {
    const own = packageOfPath(source.path);
    if (own === "broker" || isTest(source.path) || isTesting(source.path)) return [];
    const handlers = matches(source, /\bimplements\s[^{]*ServiceHandlers\b|:\s*(?:Log|Admin|Group)ServiceHandlers\s*=/);
    // rpc declares the port and binds what it is given; health and reflection, its own services, know nothing of logs.
    return own === "rpc" ? handlers : [...handlers, ...matches(source, /\.add\w*Service\s*\(/)];
  },
  bad: [
    ["packages/client/src/x.ts", "server.addLogService({});\n"],
    ["packages/cli/src/x.ts", "server.addService(definition, {});\n"],
    ["packages/rpc/src/x.ts", "const handlers: LogServiceHandlers = {};\n"],
    ["packages/client/src/x.ts", "class Fake implements AdminServiceHandlers {}\n"],
  ],
  good: [
    ["packages/broker/src/api/x.ts", "const handlers: LogServiceHandlers = {};\n"],
    ["packages/rpc/src/node/x.ts", "server.addService(definition, bound);\n"],
    ["packages/client/src/testing/x.ts", "server.addLogService({});\n"],
  ],
};

const NO_PRINTS: Rule = {
  name: "shipped code prints nothing; the logger port does",
  check: (source) =>
    SHELL_PACKAGES.includes(packageOfPath(source.path) ?? "") || isTest(source.path)
      ? []
      : matches(source, /(?<![.\w$])console\s*\./),
  bad: [["packages/broker/src/node/x.ts", "console.log(1);\n"]],
  good: [
    ["packages/cli/src/x.ts", "console.log(1);\n"],
    ["bench/src/x.ts", "console.log(1);\n"],
    ["packages/broker/src/x.ts", "// console.log(1)\nlogger.info({}, 'console.log');\n"],
  ],
};

export const PORT_RULES: readonly Rule[] = [PORTS, SERVICES, NO_PRINTS];
