import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { objectsOf, render } from "./chart.js";
import { comparable, KUSTOMIZE } from "./kustomize.js";
import { broken } from "./policy.js";
import { lacks, run } from "./tools.js";

const FOLDERS = [
  { folder: "base", values: [] },
  { folder: "overlays/quickstart", values: ["values-quickstart.yaml"] },
  { folder: "overlays/production", values: ["values-production.yaml"] },
];

/** Texts of all files below a folder, by path, but for the program that writes them. */
function texts(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (path) => !path.endsWith(".mjs") && statSync(join(folder, path)).isFile(),
  );
  return Object.fromEntries(paths.sort().map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

const noHelm = lacks("helm");

test.skipIf(noHelm)("kustomize/ is what npm run deploy:kustomize writes", () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-kustomize-"));
  try {
    execFileSync(process.execPath, [join(KUSTOMIZE, "make.mjs"), folder]);
    expect(texts(KUSTOMIZE)).toEqual(texts(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe.skipIf(noHelm || lacks("kubectl"))("kustomize", () => {
  test.each(FOLDERS)("$folder builds what the chart renders", ({ folder, values }) => {
    const built = objectsOf(run("kubectl", ["kustomize", join(KUSTOMIZE, folder)]));
    expect(comparable(built)).toEqual(comparable(render(values)));
    expect(broken(built)).toEqual([]);
  });
});
