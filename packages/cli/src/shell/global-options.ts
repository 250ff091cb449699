/** global-options.ts: the options of every command: --json, --bootstrap and those of TLS, before or after the command's name. */
import type { TlsOptions } from "@varve/client";
import { type Command, InvalidArgumentError } from "commander";
import type { Environment } from "./environment.js";
import { UsageError } from "./failure.js";
import { bootstrapList } from "./parsers.js";
import type { GlobalOptions } from "./shell.js";

/** Where the first broker of `varve dev` listens. */
const BOOTSTRAP_DEFAULT = "127.0.0.1:7650";

export function addGlobalOptions(program: Command): void {
  program
    .option("--json", "output for programs: an object a line, lists as one array; errors as an object on stderr", false)
    .option(
      "--bootstrap <host:port,...>",
      `addresses of brokers, one that answers is enough (default: VARVE_BOOTSTRAP, or ${BOOTSTRAP_DEFAULT})`,
      bootstrapList,
    )
    .option("--tls", "speak TLS with the brokers, whose certificates an authority of the system signed", false)
    .option("--tls-ca-file <file>", "speak TLS; PEM file with the authorities that sign the brokers' certificates")
    .option("--tls-cert-file <file>", "speak TLS; PEM file with a client certificate, where brokers ask for one")
    .option("--tls-key-file <file>", "PEM file with the key of the client certificate")
    .option("--tls-server-name <name>", "speak TLS; name that the brokers' certificates must be for");
}

/** The values that hold for `command`. */
export function globalOptions(command: Command, env: Environment): GlobalOptions {
  const { json, bootstrap, ...options } = command.optsWithGlobals<GivenOptions>();
  return { json, bootstrap: bootstrap ?? bootstrapFrom(env), tls: tlsFrom(options, env) };
}

interface GivenTls {
  readonly tls?: boolean;
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsServerName?: string;
}

interface GivenOptions extends GivenTls {
  readonly json: boolean;
  readonly bootstrap?: readonly string[];
}

/** Variables stand in for options one by one; any of them turns TLS on. They are not those of a broker: both may be set in one place. */
function tlsFrom(given: GivenTls, env: Environment): TlsOptions | null {
  const entries = [
    ["caFile", given.tlsCaFile ?? env["VARVE_CLIENT_TLS_CA_FILE"]],
    ["certFile", given.tlsCertFile ?? env["VARVE_CLIENT_TLS_CERT_FILE"]],
    ["keyFile", given.tlsKeyFile ?? env["VARVE_CLIENT_TLS_KEY_FILE"]],
    ["serverName", given.tlsServerName ?? env["VARVE_CLIENT_TLS_SERVER_NAME"]],
  ].filter(([, value]) => value !== undefined && value !== "");
  const isOn = given.tls === true || isTrue(env["VARVE_CLIENT_TLS"]) || entries.length > 0;
  return isOn ? (Object.fromEntries(entries) as TlsOptions) : null;
}

function isTrue(text: string | undefined): boolean {
  if (text === undefined || text === "" || text === "false") return false;
  if (text === "true") return true;
  throw new UsageError("VARVE_CLIENT_TLS must be true or false");
}

/** An empty variable counts as not set, as it does for a broker's settings. */
function bootstrapFrom(env: Environment): readonly string[] {
  try {
    return bootstrapList(env["VARVE_BOOTSTRAP"] || BOOTSTRAP_DEFAULT);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(`VARVE_BOOTSTRAP is not valid. ${error.message}`);
    throw error;
  }
}
