/** tls-options.test.ts: errors about TLS name options of the command line, and nothing else in them changes. */
import { VarveError } from "@varve/base";
import { expect, test } from "vitest";
import { reportFailure } from "./failure.js";
import type { Output } from "./output.js";
import { inOptions } from "./tls-options.js";

test.each([
  ["give the authority's certificate in tls.caFile", "give the authority's certificate in --tls-ca-file"],
  ["correct tls.caFile, tls.certFile and tls.keyFile", "correct --tls-ca-file, --tls-cert-file and --tls-key-file"],
  ["or say in tls.serverName for whom it must be", "or say in --tls-server-name for whom it must be"],
  ["signed by an authority in the broker's tls.caFile", "signed by an authority in the broker's tls.caFile"],
  ["/etc/tls/ca.pem of tls.example.org is no certificate", "/etc/tls/ca.pem of tls.example.org is no certificate"],
])("%s", (sdk, cli) => {
  expect(inOptions(sdk)).toBe(cli);
});

test.each([true, false])("a failure of TLS is reported with options (--json: %s), any other as it is", (json) => {
  const message = "Produce to [::1]:7650: no authority; nothing was written; give it in tls.caFile";
  const said = (code: "TLS_FAILED" | "UNREACHABLE"): string => {
    let text = "";
    const stderr: Output = {
      isTerminal: false,
      write: (more) => {
        text += more;
        return undefined;
      },
      flush: async () => true,
    };
    reportFailure(new VarveError(code, { message }), stderr, {}, json);
    return text;
  };
  expect(said("TLS_FAILED")).toContain("--tls-ca-file");
  expect(said("UNREACHABLE")).toContain("tls.caFile");
});
