/** html.ts: a report as one page that needs nothing else: style and drawing are in it, no script. */
import { brokenLines, isClean, leaderLines, type Report } from "./report.js";
import { seconds } from "./text.js";
import { escaped, timelineOf } from "./timeline.js";

const STYLE = `
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --fault: #c2410c; --acks: #2563a8;
  --shade: #c2410c14; --good: #14713a; --bad: #b3261e; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --ink: #e4e8ee; --soft: #98a2b0; --line: #2d3540; --fault: #f08a4b;
  --acks: #6ea8e6; --shade: #f08a4b1c; --good: #5ccb8b; --bad: #ff8a80; --card: #1a2028; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.verdict { font-size: 1.1rem; font-weight: 600; margin: .6rem 0; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { white-space: pre-wrap; background: var(--card); padding: .6rem .8rem; border-radius: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .25rem .8rem .25rem 0; text-align: right; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); } td { border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
svg { display: block; width: 100%; min-width: 44rem; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.grid { stroke: var(--line); stroke-width: .6; } .base { stroke: var(--line); } .fault { fill: var(--fault); } .acks { fill: var(--acks); }
.shade { fill: var(--shade); } .gap { fill: var(--bad); }
`;

export function htmlOf(report: Report): string {
  const clean = isClean(report);
  const broken = report.verdicts.filter(({ valid }) => !valid).map(({ check }) => check);
  const verdict = clean
    ? `All ${report.verdicts.length} checks hold`
    : `Not clean: ${[...broken, ...(report.problems.length > 0 ? [`${report.problems.length} problems`] : [])].join(", ")}`;
  const head = `${report.brokers} brokers, ${seconds(report.loadMs)} s of load, ${report.events} events, ${report.dateIso}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Varve chaos, seed ${report.seed}</title><style>${STYLE}</style></head><body>
<h1>Varve chaos, seed ${report.seed}</h1>
<p class="soft">${escaped(head)}</p>
<p class="verdict ${clean ? "good" : "bad"}">${escaped(verdict)}</p>
${brokenLines(report)
  .map((line) => `<p>${escaped(line)}</p>`)
  .join("\n")}
<pre>${escaped(report.command)}</pre>
${report.problems.map((problem) => `<pre class="bad">${escaped(problem)}</pre>`).join("\n")}
<h2>Faults, and what each partition acknowledged</h2>
<p class="soft">Columns: acknowledgements in each second. Shaded: a fault at work. The red mark under a row: its longest stretch without one.</p>
<div class="scroll">${timelineOf(report)}</div>
<h2>Verdicts</h2>
${verdictsTable(report)}
<h2>Faults</h2>
${table(
  ["fault", "fired", "lasted s", "what it does"],
  report.faults.map(({ name, fired, lastedMs, does }) => [name, fired, seconds(lastedMs), does]),
)}
${report.skipped.map(({ name, why }) => `<p class="soft">no ${escaped(name)}: ${escaped(why)}</p>`).join("\n")}
<h2>Partitions</h2>
${table(
  ["partition", "acknowledged", "longest gap s", "at s", "leader changes"],
  report.partitions.map(({ partition, acknowledged, longestGap: { fromMs, toMs }, leaderChanges }) => [
    partition,
    acknowledged,
    seconds(toMs - fromMs),
    seconds(fromMs),
    leaderChanges,
  ]),
)}
${leaderLines(report)
  .map((line) => `<p>${escaped(line)}</p>`)
  .join("\n")}
<h2>Operations</h2>
${table(
  ["operation", "ok", "fail", "info"],
  report.operations.map(({ f, ok, fail, info }) => [f, ok, fail, info]),
)}
<p class="soft">fail: certainly not applied, or a read that failed. info: nobody knows; the check allows both.</p>
<h2>Brokers</h2>
${table(
  ["broker", "RSS MiB first", "most", "last", "descriptors first", "most", "last"],
  report.brokerMeasures.map((one) => [
    one.broker,
    one.rssMibFirst,
    one.rssMibMax,
    one.rssMibLast,
    one.descriptorsFirst,
    one.descriptorsMax,
    one.descriptorsLast,
  ]),
)}
</body></html>
`;
}

function verdictsTable({ verdicts }: Report): string {
  const rows = verdicts.map(({ check, meaning, valid, count, findings, notes }) => {
    const word = valid ? `<span class="good">valid</span>` : `<span class="bad">violated ${count}</span>`;
    const found = findings.map(({ what, at }) => `${what} (events ${at.slice(0, 8).join(", ")})`);
    const said = [...found, ...notes].map((line) => escaped(line)).join("<br>");
    return `<tr><td>${check}</td><td class="text">${escaped(meaning)}</td><td class="text">${word}</td><td class="text">${said}</td></tr>`;
  });
  return `<div class="scroll"><table><tr><th>check</th><th class="text">would find</th><th class="text">verdict</th><th class="text"></th></tr>${rows.join("\n")}</table></div>`;
}

type Cell = string | number;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isText = head.map((_, at) => rows.some((row) => Number.isNaN(Number(row[at]))));
  const cell = (tag: "td" | "th", text: Cell, at: number): string =>
    `<${tag}${isText[at] === true ? ' class="text"' : ""}>${escaped(String(text))}</${tag}>`;
  const titles = head.map((title, at) => cell("th", title, at)).join("");
  const lines = rows.map((row) => `<tr>${row.map((text, at) => cell("td", text, at)).join("")}</tr>`);
  return `<div class="scroll"><table><tr>${titles}</tr>${lines.join("\n")}</table></div>`;
}
