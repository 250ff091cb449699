/** text-files.ts: rules of tracked files of any kind, and of what the guide says about them. Pure: from texts to what is broken. */
import { lineAt } from "./source.js";

export interface TextFile {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** Folders of one machine, and hosts that packages come from: a checkout must work anywhere. */
const OF_ONE_MACHINE =
  /(?<![\w.$}*-])\/(?:root|work|home\/[\w-]+|Users\/[\w-]+)\/[\w.-]|registry\.(?:npmjs|yarnpkg|npmmirror)\.|"resolved": "https?:/g;
/** Outside material has one door. */
const BESIDE = /\.\.\/shared\b/g;
const DOOR = ".ci/run";

export function machineNames({ path, text }: TextFile): string[] {
  const found = [...text.matchAll(OF_ONE_MACHINE)].map(
    ({ index, 0: name }) => `${path}:${lineAt(text, index)}: ${name}`,
  );
  if (path === DOOR) return found;
  return [
    ...found,
    ...[...text.matchAll(BESIDE)].map(({ index, 0: name }) => `${path}:${lineAt(text, index)}: ${name}`),
  ];
}

/** Files that the guide names (`package/src/....ts`, or a path from `test` or `bench`) and that are not tracked. */
export function missingFiles({ path, text }: TextFile, tracked: ReadonlySet<string>): string[] {
  return [...text.matchAll(/`((?:[a-z]+\/src|test|bench)\/[\w./-]+\.\w+)`/g)].flatMap(({ index, 1: name = "" }) => {
    const full = /^(?:test|bench)\//.test(name) ? name : `packages/${name}`;
    return tracked.has(full) ? [] : [`${path}:${lineAt(text, index)}: ${name} is not there`];
  });
}

/** Relative links of a Markdown file that lead to nothing that is tracked. */
export function deadLinks({ path, text }: TextFile, tracked: ReadonlySet<string>): string[] {
  const folders = new Set(
    [...tracked].flatMap((name) => name.split("/").map((_, at, parts) => parts.slice(0, at).join("/"))),
  );
  const links = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)|(?:src|srcset|href)="([^"#]+)"/g)];
  return links.flatMap(({ index, 1: inText, 2: inTag }) => {
    const link = inText ?? inTag ?? "";
    if (/^[a-z]+:/.test(link)) return [];
    const target = new URL(link, `file:///${path}`).pathname.slice(1).replace(/\/$/, "");
    return tracked.has(target) || folders.has(target) ? [] : [`${path}:${lineAt(text, index)}: ${link} leads nowhere`];
  });
}
