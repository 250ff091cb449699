/** options.ts: the reference of the SDK's options: what the comments of its interfaces say, with defaults in a column of their own. */
import { type DocumentedMember, interfaceOf } from "./doc-comments.js";
import { table } from "./markdown.js";

/** An interface of options: where users write it, and the source file that has it. */
export interface OptionsPlace {
  readonly title: string;
  readonly interfaceName: string;
  readonly file: string;
}

const SDK = "packages/client/src";
/** Has what other interfaces of options extend. */
export const SHARED_FILE = `${SDK}/options.ts`;

export const OPTIONS_PLACES: readonly OptionsPlace[] = [
  { title: "new Varve(options)", interfaceName: "VarveOptions", file: SHARED_FILE },
  { title: "varve.producer(options)", interfaceName: "ProducerOptions", file: `${SDK}/producer/options.ts` },
  { title: "varve.reader(options)", interfaceName: "ReaderOptions", file: `${SDK}/reader/options.ts` },
  { title: "varve.consumer(options)", interfaceName: "ConsumerOptions", file: `${SDK}/consumer/options.ts` },
  { title: "consumer.run(options)", interfaceName: "RunOptions", file: `${SDK}/consumer/options.ts` },
];

/** One titled table for each place. `read` gives the text of a source file. @throws Error when an option says nothing. */
export function optionTables(read: (file: string) => string): string {
  return OPTIONS_PLACES.map(({ title, interfaceName, file }) => {
    const { above, members } = interfaceOf(read(file), interfaceName);
    const inherited = above.flatMap((name) => interfaceOf(read(SHARED_FILE), name).members);
    const rows = [...members, ...inherited].map((member) => row(interfaceName, member));
    return `### \`${title}\`\n\n${table(["option", "default", "meaning"], rows)}`;
  }).join("\n\n");
}

function row(interfaceName: string, { name, optional, comment }: DocumentedMember): string[] {
  if (comment === "") throw new Error(`${interfaceName}.${name} has no comment`);
  const stated = statedDefault(comment);
  if (!optional) return [`\`${name}\``, "must be given", comment];
  if (stated === null) return [`\`${name}\``, "none", comment];
  return [`\`${name}\``, stated.value, stated.rest];
}

/** The default that a comment states, `Default 5.`, `Default: all.` or `` `quorum` (default) ``, and the comment without it. */
export function statedDefault(comment: string): { readonly value: string; readonly rest: string } | null {
  const [sentence, value] = /\bDefault:? ([^.]+)\.(?= |$)/.exec(comment) ?? [];
  if (sentence !== undefined && value !== undefined) {
    return { value, rest: comment.replace(sentence, "").replaceAll(/ {2,}/g, " ").trim() };
  }
  const [, marked] = /`(\w+)` \(default\)/.exec(comment) ?? [];
  return marked === undefined ? null : { value: marked, rest: comment.replace(" (default)", "") };
}
