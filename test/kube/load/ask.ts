/**
 * ask.ts: steers the load of its own pod, for `kubectl exec`: `node ask.js METHOD PATH [BODY [PORT]]` writes the answer to stdout. Exit code 1 when there is
 * none, or when the load refused.
 */
import { request } from "node:http";
import { CONTROL_PORT } from "./plan.js";

const [method = "GET", path = "/status", body, port = CONTROL_PORT] = process.argv.slice(2);
const asked = request({ host: "127.0.0.1", port, method, path }, (response) => {
  process.exitCode = response.statusCode === 200 ? 0 : 1;
  response.pipe(process.stdout);
});
asked.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
asked.end(body);
