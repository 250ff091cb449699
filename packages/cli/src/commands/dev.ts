/** dev.ts: `varve dev`: a local cluster of real broker processes. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { basePortMax, placeBrokers, portsFrom } from "../brokers/layout.js";
import { DevCluster } from "../dev/dev-cluster.js";
import type { DevFile } from "../dev/dev-file.js";
import { UsageError } from "../shell/failure.js";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { note, printResult, type Shell, stopped } from "../shell/shell.js";
import { type Style, seconds } from "../shell/style.js";
import { table } from "../shell/table.js";

const BROKERS_MAX = 15;

interface DevOptions {
  readonly brokers: number;
  readonly dataDir: string;
  readonly port: number;
  readonly respawn: boolean;
}

const HELP = `
Runs until Ctrl-C or SIGTERM, which stop all brokers. The folder keeps the data for the next time:
  broker-N/       data of broker N        broker-N.yaml   its configuration, written at each start
  broker-N.log    its log                 dev.json        addresses and processes, while the cluster runs
  tls/            with --tls: the certificates; clients are given tls/ca.pem

--tls: brokers speak TLS with clients, and mutual TLS with each other, by certificates of authorities made for this folder.

dev.json: { pid, bootstrap, brokers: [{ id, pid, grpc, peer, ops, dataDir, logFile }] }; grpc, peer and ops are texts such as
"127.0.0.1:7650", the paths are absolute; with --tls also tls: { caFile }, as new Varve() takes it. The file appears when all
brokers are ready and is rewritten at each restart of one.
Variables such as VARVE_RAFT_ELECTION_TIMEOUT_MS change the brokers' settings (varve config reference).

Examples:
  varve dev                                   three brokers on 7650, 7660, 7670
  varve dev --brokers 1 --port 9000           one broker: gRPC 9000, peers 9001, operators 9002
  varve dev --data-dir /tmp/try --no-respawn  another folder; a broker that dies stays down
  varve dev --tls                             TLS, with certificates of a throw-away authority in .varve/tls
`;

export function registerDev(parent: Command, shell: Shell): void {
  parent
    .command("dev")
    .summary("run a local cluster")
    .description("Runs a local cluster of real broker processes and starts a dead broker again after 3 s.")
    .option("--brokers <count>", "number of brokers", integerIn(1, BROKERS_MAX), 3)
    .option("--data-dir <folder>", "folder for data, logs and dev.json", ".varve")
    .option("--port <port>", "gRPC port of broker 1; broker N has this + 10 (N - 1)", integerIn(1, 65_535), 7650)
    .option("--no-respawn", "leave a dead broker down")
    .addHelpText("after", HELP)
    .action((options: DevOptions, command: Command) => {
      // The option of every command, whose variable is for clients and turns nothing on here.
      const { tls } = command.optsWithGlobals<{ readonly tls: boolean }>();
      return dev(shell, { ...options, tls }, globalOptions(command, shell.env).json);
    });
}

async function dev(shell: Shell, options: DevOptions & { readonly tls: boolean }, json: boolean): Promise<void> {
  if (options.port > basePortMax(options.brokers)) {
    throw new UsageError(`--port must be at most ${basePortMax(options.brokers)} for ${options.brokers} brokers`);
  }
  const startedAtMs = performance.now();
  const folder = resolve(options.dataDir);
  const cluster = await DevCluster.start({
    folder,
    places: placeBrokers(folder, portsFrom(options.port, options.brokers)),
    respawn: options.respawn,
    tls: options.tls,
    onEvent: (text) => note(shell, false, text),
    signal: shell.stop,
  });
  try {
    const tookMs = performance.now() - startedAtMs;
    printResult(shell, json, cluster.describe(), (style) => forPeople(cluster.describe(), tookMs, style));
    await stopped(shell);
    note(shell, json, "stopping the brokers");
  } finally {
    await cluster.stop();
  }
}

function forPeople(file: DevFile, tookMs: number, style: Style): string {
  const rows = file.brokers.map(({ id, grpc, peer, ops, pid, logFile }) => [id, grpc, peer, ops, pid, logFile]);
  return [
    table(["broker", "grpc", "peer", "ops", "pid", "log"], rows),
    `bootstrap: ${style.bold(file.bootstrap)}\n`,
    ...(file.tls === undefined ? [] : [`TLS:       ${style.bold(`--tls-ca-file ${file.tls.caFile}`)}\n`]),
    style.dim(`ready after ${seconds(tookMs)}; Ctrl-C stops all\n`),
  ].join("");
}
