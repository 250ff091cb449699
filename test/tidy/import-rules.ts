/** import-rules.ts: which module may import which. */
import { posix } from "node:path";
import { isTest, isTesting, LAYERS, packageOfModule, packageOfPath } from "./layers.js";
import type { Rule } from "./rule.js";
import { importsOf, type Source } from "./source.js";

/** Entries that a package may export (package.json, `exports`): its face, real adapters, simulated ones, the client without a world. */
export const ENTRIES: readonly string[] = ["", "/node", "/testing", "/core"];

/** Shells put a process together, so they may take real adapters; all other code is handed its ports. */
const isShell = (path: string): boolean =>
  /\/src\/node\//.test(path) ||
  /^packages\/(?:cli|examples)\//.test(path) ||
  path === "packages/client/src/index.ts" ||
  isTest(path) ||
  isTesting(path);

const LAYERED: Rule = {
  name: "packages import only what stands below them",
  check(source) {
    const own = packageOfPath(source.path);
    if (own === null || isTest(source.path) || isTesting(source.path)) return [];
    return importsOf(source).flatMap(({ module, at }) => {
      const target = packageOfModule(module);
      if (target === null || target.folder === own || LAYERS[own]?.includes(target.folder)) return [];
      return [`${at}: ${own} may not import ${module}`];
    });
  },
  bad: [
    ["packages/base/src/x.ts", 'import { A } from "@varve/broker";\n'],
    ["packages/raft/src/x.ts", 'import type { A } from "@varve/base";\n'],
    ["packages/client/src/x.ts", 'const storage = await import("@varve/storage");\n'],
    ["packages/storage/src/x.ts", 'export * from "raft-ts";\n'],
    ["packages/unknown/src/x.ts", 'import { A } from "@varve/base";\n'],
  ],
  good: [
    ["packages/broker/src/x.ts", 'import { RawNode } from "raft-ts";\n'],
    ["packages/base/src/x.ts", '// import { A } from "@varve/broker";\n'],
    ["packages/rpc/src/x.test.ts", 'import { A } from "@varve/records";\n'],
  ],
};

const BY_ENTRY: Rule = {
  name: "packages are entered by what they export, never by a path",
  check(source) {
    return importsOf(source).flatMap(({ module, at }) => {
      const target = packageOfModule(module);
      if (target !== null) return ENTRIES.includes(target.entry) ? [] : [`${at}: ${module} is no entry`];
      if (!module.startsWith(".")) return [];
      const reached = posix.join(posix.dirname(source.path), module);
      const isOutside = packageOfPath(reached) !== packageOfPath(source.path);
      return isOutside ? [`${at}: ${module} reaches into another package`] : [];
    });
  },
  bad: [
    ["packages/broker/src/x.ts", 'import { A } from "@varve/storage/dist/wal/wal.js";\n'],
    ["packages/broker/src/x.ts", 'import { A } from "@varve/storage/wal";\n'],
    ["packages/broker/src/x.ts", 'import { A } from "../../storage/src/wal/wal.js";\n'],
    ["test/integration/x.test.ts", 'import { A } from "../../packages/storage/src/wal/wal.js";\n'],
  ],
  good: [
    ["packages/broker/src/x.ts", 'import { A } from "@varve/base/node";\nimport { B } from "./y.js";\n'],
    ["packages/broker/src/api/x.ts", 'import { B } from "../partition/y.js";\n'],
    ["test/integration/x.test.ts", 'import { A } from "../sim/y.js";\n'],
  ],
};

const TESTING_IN_TESTS: Rule = {
  name: "simulated adapters are imported by tests only",
  check(source) {
    if (isTest(source.path) || isTesting(source.path)) return [];
    return importsOf(source)
      .filter(
        ({ module }) => packageOfModule(module)?.entry === "/testing" || /^\.{1,2}\/(.*\/)?testing\//.test(module),
      )
      .map(({ module, at }) => `${at}: shipped code imports ${module}`);
  },
  bad: [
    ["packages/broker/src/x.ts", 'import { SimClock } from "@varve/base/testing";\n'],
    ["packages/base/src/x.ts", 'import { SimClock } from "./testing/sim-clock.js";\n'],
  ],
  good: [
    ["packages/broker/src/x.test.ts", 'import { SimClock } from "@varve/base/testing";\n'],
    ["packages/cli/src/x.ts", 'import { startCluster } from "@varve/testing";\n'],
  ],
};

const REAL_IN_SHELLS: Rule = {
  name: "real adapters are imported by shells only",
  check(source) {
    if (isShell(source.path)) return [];
    return importsOf(source)
      .filter(({ module }) => packageOfModule(module)?.entry === "/node" || /^\.{1,2}\/(.*\/)?node\//.test(module))
      .map(({ module, at }) => `${at}: ${module} is for src/node, src/testing, tests and the outermost packages`);
  },
  bad: [
    ["packages/broker/src/x.ts", 'import { nodeDisk } from "@varve/storage/node";\n'],
    ["packages/broker/src/api/x.ts", 'import { codec } from "../node/codec.js";\n'],
  ],
  good: [
    ["packages/broker/src/node/x.ts", 'import { nodeDisk } from "@varve/storage/node";\n'],
    ["packages/storage/src/x.test.ts", 'import { nodeDisk } from "./node/disk.js";\n'],
    ["packages/raft/src/x.ts", 'import { RawNode } from "./raw-node.js";\n'],
  ],
};

const GRPC_IN_RPC: Rule = {
  name: "only rpc imports gRPC",
  check(source) {
    // The ceiling of a benchmark is gRPC with nothing of ours around it.
    if (packageOfPath(source.path) === "rpc" || source.path.startsWith("bench/")) return [];
    return importsOf(source)
      .filter(({ module }) => /^(?:@grpc\/|grpc\b|protobufjs|google-protobuf)/.test(module))
      .map(({ module, at }) => `${at}: ${module}`);
  },
  bad: [
    ["packages/broker/src/node/x.ts", 'import { Server } from "@grpc/grpc-js";\n'],
    ["test/integration/x.test.ts", 'import { loadSync } from "@grpc/proto-loader";\n'],
    ["packages/client/src/x.ts", 'import grpc = require("@grpc/grpc-js");\n'],
  ],
  good: [["packages/rpc/src/node/x.ts", 'import { Server } from "@grpc/grpc-js";\n']],
};

/** Packages that a file imports from outside this repository and outside Node.js, by the name that package.json has. */
export function outsideImportsOf(source: Source): { readonly name: string; readonly at: string }[] {
  return importsOf(source)
    .filter(({ module }) => !/^(?:\.|node:)/.test(module) && packageOfModule(module) === null)
    .map(({ module, at }) => ({ name: module.split("/", module.startsWith("@") ? 2 : 1).join("/"), at }));
}

export const IMPORT_RULES: readonly Rule[] = [LAYERED, BY_ENTRY, TESTING_IN_TESTS, REAL_IN_SHELLS, GRPC_IN_RPC];
