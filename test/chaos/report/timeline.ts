/**
 * timeline.ts: a run as one drawing: when each kind of fault was at work, and below it what each partition acknowledged, second by second.
 *
 * Plain SVG, sized by its view box; colours come from the page's variables, so that it follows light and dark.
 */

import type { Report } from "./report.js";
import { seconds } from "./text.js";

const WIDTH = 1_000;
const LABEL_WIDTH = 120;
const ROW = 18;
const PARTITION_ROW = 34;
const AXIS = 26;
const TICKS_MAX = 12;
const TICK_SECONDS = [1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];

/** For text between tags and in attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

export function timelineOf(report: Report): string {
  const totalMs = Math.max(report.loadMs, ...report.strikes.map(({ toMs }) => toMs), 1);
  const x = (ms: number): number => LABEL_WIDTH + (ms / totalMs) * (WIDTH - LABEL_WIDTH);
  const names = report.faults.filter(({ fired }) => fired > 0).map(({ name }) => name);
  const faultsHeight = names.length * ROW;
  const height = AXIS + faultsHeight + 10 + report.partitions.length * PARTITION_ROW;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Timeline of faults and acknowledgements">`,
    axis(totalMs, x, height),
    ...names.flatMap((name, at) => faultRow(report, name, AXIS + at * ROW, x)),
    ...report.strikes.map(({ fromMs, toMs }) => shade(x(fromMs), x(toMs), AXIS + faultsHeight + 6, height)),
    ...report.partitions.map((_, at) => partitionRow(report, at, AXIS + faultsHeight + 10 + at * PARTITION_ROW, x)),
    "</svg>",
  ].join("\n");
}

function axis(totalMs: number, x: (ms: number) => number, height: number): string {
  const step = TICK_SECONDS.find((one) => totalMs / 1_000 / one <= TICKS_MAX) ?? 7_200;
  const ticks = Array.from({ length: Math.floor(totalMs / 1_000 / step) + 1 }, (_, at) => at * step);
  return ticks
    .map((at) => {
      const left = x(at * 1_000).toFixed(1);
      return `<line class="grid" x1="${left}" x2="${left}" y1="16" y2="${height}"/><text x="${left}" y="11" text-anchor="middle">${at} s</text>`;
    })
    .join("");
}

function faultRow(report: Report, name: string, top: number, x: (ms: number) => number): string[] {
  const bars = report.strikes
    .filter((strike) => strike.name === name)
    .map(({ target, fromMs, toMs }) => {
      const width = Math.max(2, x(toMs) - x(fromMs)).toFixed(1);
      const title = `${name}: ${target}, from ${seconds(fromMs)} s to ${seconds(toMs)} s`;
      return `<rect class="fault" x="${x(fromMs).toFixed(1)}" y="${top + 3}" width="${width}" height="${ROW - 6}" rx="2"><title>${escaped(title)}</title></rect>`;
    });
  return [`<text x="${LABEL_WIDTH - 8}" y="${top + 13}" text-anchor="end">${escaped(name)}</text>`, ...bars];
}

function shade(left: number, right: number, top: number, bottom: number): string {
  return `<rect class="shade" x="${left.toFixed(1)}" y="${top}" width="${Math.max(1, right - left).toFixed(1)}" height="${bottom - top}"/>`;
}

/** Columns of acknowledgements, all partitions on one scale. */
function partitionRow(report: Report, at: number, top: number, x: (ms: number) => number): string {
  const one = report.partitions[at];
  if (one === undefined) return "";
  const most = Math.max(1, ...report.partitions.flatMap(({ perSecond }) => perSecond));
  const room = PARTITION_ROW - 6;
  const bottom = top + room;
  const { fromMs, toMs } = one.longestGap;
  const columns = one.perSecond
    .map((count, second) => {
      const left = x(second * 1_000);
      const width = Math.max(0.3, x((second + 1) * 1_000) - left - 0.4);
      const tall = (count / most) * room;
      return `<rect class="acks" x="${left.toFixed(1)}" y="${(bottom - tall).toFixed(1)}" width="${width.toFixed(2)}" height="${tall.toFixed(1)}"><title>partition ${one.partition}, second ${second}: ${count}</title></rect>`;
    })
    .join("");
  return [
    `<text x="${LABEL_WIDTH - 8}" y="${top + 20}" text-anchor="end">partition ${one.partition}</text>`,
    `<line class="base" x1="${LABEL_WIDTH}" x2="${WIDTH}" y1="${bottom}" y2="${bottom}"/>`,
    columns,
    `<rect class="gap" x="${x(fromMs).toFixed(1)}" y="${bottom - 2}" width="${Math.max(1, x(toMs) - x(fromMs)).toFixed(1)}" height="4"><title>longest gap: ${seconds(toMs - fromMs)} s</title></rect>`,
  ].join("\n");
}
