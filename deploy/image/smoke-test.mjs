/**
 * smoke-test.mjs: `helm test`: writes records to a topic of its own, reads them back in order, deletes the topic. Exit code 0 or 1.
 *
 *   node smoke-test.mjs [--replicas 3] [--records 100]
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { Varve } from "@varve/client";

const { values } = parseArgs({
  options: { replicas: { type: "string", default: "3" }, records: { type: "string", default: "100" } },
});
const topic = `smoke-test-${Date.now().toString(36)}`;
const wanted = Array.from({ length: Number(values.records) }, (_, i) => `record ${i}`);
const varve = connect(process.env);
try {
  await varve.admin.createTopic({ topic, partitions: 1, replicas: Number(values.replicas) });
  const producer = varve.producer();
  await Promise.all(wanted.map((value) => producer.send({ topic, value })));
  await producer.close();
  const read = [];
  for await (const record of varve.reader({ topic, from: "earliest", to: "end" })) read.push(String(record.value));
  assert.deepEqual(read, wanted, "what was read is not what was written");
  await varve.admin.deleteTopic(topic);
  console.log(`${wanted.length} records written to ${values.replicas} replicas and read back`);
} finally {
  await varve.close();
}

/** A client by the same variables that the command line reads. */
function connect(env) {
  const tls = Object.fromEntries(
    [
      ["caFile", env["VARVE_CLIENT_TLS_CA_FILE"]],
      ["certFile", env["VARVE_CLIENT_TLS_CERT_FILE"]],
      ["keyFile", env["VARVE_CLIENT_TLS_KEY_FILE"]],
      ["serverName", env["VARVE_CLIENT_TLS_SERVER_NAME"]],
    ].filter(([, value]) => value !== undefined && value !== ""),
  );
  const bootstrap = (env["VARVE_BOOTSTRAP"] || "127.0.0.1:7650").split(",");
  return new Varve({ bootstrap, ...(Object.keys(tls).length === 0 ? {} : { tls }) });
}
