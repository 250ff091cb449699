/** notes.ts: the text that `helm install` prints. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { CHART, run } from "./tools.js";

/** What `helm install` prints. Without a cluster helm shows it to nobody, so a copy of the chart renders it as an object. */
export function notes(set: readonly string[] = [], namespace = "logs", kubeVersion = "1.35.0"): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-notes-"));
  try {
    cpSync(CHART, folder, { recursive: true });
    writeFileSync(join(folder, "files", "notes"), readFileSync(join(CHART, "templates", "NOTES.txt")));
    writeFileSync(join(folder, "templates", "notes.yaml"), 'notes: {{ tpl (.Files.Get "files/notes") . | toJson }}\n');
    const single = set.flatMap((assignment) => ["--set", assignment]);
    const args = ["template", "varve", folder, "--namespace", namespace, "--kube-version", kubeVersion];
    return (parse(run("helm", [...args, "--show-only", "templates/notes.yaml", ...single])) as { notes: string }).notes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
