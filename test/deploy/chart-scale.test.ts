/** chart-scale.test.ts: no way of Helm or kubectl takes brokers away that may hold replicas, and none that takes nobody away is barred. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { at, find, type KubeObject, objectsOf, render, renderIn, renderText } from "./chart.js";
import { admits } from "./policy-expressions.js";
import { DEPLOY, lacks, ROOT } from "./tools.js";

const noHelm = lacks("helm");
const GENERATION = 12;

/** The StatefulSet as a cluster has it, and claims of so many brokers. */
const there = (replicas: number | null, claims: number) => ({
  ...(replicas === null ? {} : { StatefulSet: { metadata: { generation: GENERATION }, spec: { replicas } } }),
  PersistentVolumeClaim: {
    items: ["data-other-9", "data-varve-x-9", ...Array.from({ length: claims }, (_, n) => `data-varve-${n}`)].map(
      (name) => ({ metadata: { name } }),
    ),
  },
});
const hooksOf = (objects: readonly KubeObject[]): string =>
  objects.find(({ kind }) => kind === "Job")?.metadata.annotations?.["helm.sh/hook"] ?? "none";
const approvalOf = (objects: readonly KubeObject[]): unknown =>
  find(objects, "StatefulSet", "varve").metadata.annotations?.["varve.dev/scale-in"];

describe.skipIf(noHelm)("the guard", () => {
  test.each([
    { what: "fewer", had: 5, wanted: 3, hooks: "pre-upgrade,pre-rollback", approval: "3@12" },
    { what: "as many, which may be what repairs the cluster", had: 3, wanted: 3, hooks: "pre-rollback" },
    { what: "more", had: 3, wanted: 5, hooks: "pre-rollback" },
    { what: "none", had: 5, wanted: 0, hooks: "none" },
    { what: "all again after a stop of all", had: 0, wanted: 5, hooks: "pre-rollback", approval: "5@12" },
  ])("of an upgrade from $had to $wanted ($what): $hooks", ({ had, wanted, hooks, approval }) => {
    const objects = renderIn(there(had, 5), [], [`replicas=${wanted}`]);
    expect(hooksOf(objects)).toBe(hooks);
    expect(approvalOf(objects)).toBe(approval);
  });

  test("is kept by every revision for a rollback to it, the first one too", () => {
    for (const revision of [render([]), renderIn(there(3, 3), []), renderIn(there(null, 0), [])])
      expect(hooksOf(revision)).toContain("pre-rollback");
  });

  test.each([
    { what: "a stop of all", had: 0 },
    { what: "an uninstall", had: null },
  ])("refuses to leave volumes out after $what, and says which", ({ had }) => {
    expect(() => renderIn(there(had, 5), [])).toThrow(/data-varve-3, data-varve-4: .* may hold the only copies/);
    expect(() => renderIn(there(had, 3), [])).not.toThrow();
    expect(() => renderIn(there(had, 5), [], ["replicas=0"])).not.toThrow();
  });

  test("approves nothing where it is switched off", () => {
    const objects = renderIn(there(5, 5), [], ["scaleGuard.enabled=false"]);
    expect(hooksOf(objects)).toBe("none");
    expect(approvalOf(objects)).toBeUndefined();
    expect(() => renderIn(there(0, 5), [], ["scaleGuard.enabled=false"])).not.toThrow();
  });

  test("asks by a command that there is", () => {
    const job = find(render([]), "Job", "varve-scale-guard");
    const [program, ...args] = at(job, "spec", "template", "spec", "containers", 0, "command") as string[];
    expect([program, ...args].join(" ")).toBe("varve cluster scale-in-check --replicas 3 --name varve");
    const help = execFileSync(process.execPath, [`${ROOT}packages/cli/bin/varve.js`, ...args.slice(0, 2), "--help"], {
      encoding: "utf8",
    });
    for (const option of args.filter((arg) => arg.startsWith("--"))) expect(help).toContain(option);
  });
});

/** A StatefulSet of so many brokers; approved: its annotation. */
const set = (replicas: number, approved?: string, generation = GENERATION) => ({
  kind: "StatefulSet",
  metadata: {
    name: "varve",
    generation,
    ...(approved === undefined ? {} : { annotations: { "varve.dev/scale-in": approved } }),
  },
  spec: { replicas },
});
/** What `kubectl scale` sends and finds: neither generation nor annotations. */
const scale = (replicas: number) => ({
  kind: "Scale",
  metadata: { name: "varve" },
  spec: replicas === 0 ? {} : { replicas },
});

const byHand = objectsOf(readFileSync(`${DEPLOY}admission/no-scale-in.yaml`, "utf8"));

describe("the admission policy", () => {
  const policy = find(byHand, "ValidatingAdmissionPolicy", "varve-scale-in");

  test.each([
    { what: "kubectl scale to fewer", from: scale(5), to: scale(3) },
    { what: "kubectl scale from none", from: scale(0), to: scale(3) },
    { what: "an edit to fewer", from: set(5), to: set(3) },
    { what: "an edit to fewer, approved for another number", from: set(5), to: set(3, "4@12") },
    { what: "an edit to fewer, approved before the last change", from: set(5, "3@11"), to: set(3, "3@11") },
    { what: "a rollback to a revision that was approved in its time", from: set(5), to: set(3, "3@7") },
    { what: "fewer than there were after a stop of all", from: set(0), to: set(3) },
    { what: "a manifest without an approval", from: set(5, "3@12"), to: set(3) },
    { what: "a Scale that brings its own approval", from: scale(5), to: { ...set(3, "3@12"), kind: "Scale" } },
  ])("refuses $what", ({ from, to }) => {
    expect(admits(policy, from, to)).toBe(false);
  });

  test.each([
    { what: "kubectl scale to more", from: scale(3), to: scale(5) },
    { what: "kubectl scale to none", from: scale(5), to: scale(0) },
    { what: "an edit to none", from: set(5), to: set(0) },
    { what: "an edit to more", from: set(3), to: set(5) },
    { what: "an edit that leaves the number", from: set(5), to: set(5) },
    { what: "an edit of a stopped one", from: set(0), to: set(0) },
    { what: "helm upgrade to fewer, whose guard was asked", from: set(5), to: set(3, "3@12") },
    { what: "helm upgrade from none, whose volumes were looked at", from: set(0), to: set(5, "5@12") },
    { what: "fewer, approved by hand", from: set(5, "3@12"), to: set(3, "3@12") },
  ])("allows $what", ({ from, to }) => {
    expect(admits(policy, from, to)).toBe(true);
  });

  test.skipIf(noHelm)("is the chart's", () => {
    const chart = find(
      render([], ["scaleGuard.admissionPolicy=true"]),
      "ValidatingAdmissionPolicy",
      "varve-varve-no-scale-in",
    );
    expect(chart["spec"]).toEqual(policy["spec"]);
  });

  test.skipIf(noHelm)("is refused where Kubernetes does not have it", () => {
    const old = ["--kube-version=1.29.4"];
    expect(() => renderText([], ["scaleGuard.admissionPolicy=true"], undefined, old)).toThrow("needs Kubernetes 1.30");
  });
});
