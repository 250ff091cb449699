/**
 * main.ts: `npm run sim:cluster`: whole clusters with a group at work. --seeds N: that many seeds (default 10). --seed S --trace: one, told.
 */
import { parseArgs } from "node:util";
import { runCluster } from "./cluster-simulation.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const first = values.seed === undefined ? Date.now() * 1_000 : Number(values.seed);
  const sums = { acked: 0, deliveries: 0, commits: 0, fetches: 0, seeks: 0, simulatedMs: 0 };
  const faults = new Map<string, number>();
  let violations = 0;
  for (let at = 0; at < count; at++) {
    const report = await runCluster({ seed: first + at, ...(values.trace ? { print: write } : {}) });
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += report[key];
    for (const [kind, times] of report.faults) faults.set(kind, (faults.get(kind) ?? 0) + times);
    if ((at + 1) % 5 === 0) write(`${at + 1} of ${count} seeds, ${violations} violations`);
    if (report.violation === null) continue;
    violations++;
    write(`VIOLATION at seed ${report.seed}: ${report.violation.stack ?? report.violation.message}`);
  }
  write(`seeds: ${count} from ${first}; simulated hours: ${(sums.simulatedMs / 3_600_000).toFixed(2)}`);
  write(
    `acknowledged: ${sums.acked}, handled: ${sums.deliveries}, commits: ${sums.commits}, fetches: ${sums.fetches}, seeks: ${sums.seeks}`,
  );
  write(
    `faults: ${[...faults]
      .sort()
      .map(([kind, times]) => `${kind} ${times}`)
      .join(", ")}`,
  );
  write(`violations: ${violations}`);
  return violations > 0 ? 1 : 0;
}

process.exitCode = await main();
