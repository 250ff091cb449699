/** sections.ts: every part of a document that is made from the code: the document, the name of its marks, the text; or a file that has no marks. */
import { withConfigSchema } from "./chart-schema.js";
import { errorTable } from "./errors.js";
import { withSection } from "./markdown.js";
import { optionTables } from "./options.js";
import { brokerTable, topicTable } from "./settings.js";

/** Gives the text of a file by its path from the repository's root. */
export type Read = (file: string) => string;

export interface Section {
  readonly document: string;
  readonly name: string;
  readonly make: (read: Read) => string;
}

/** A file in a format without comments, made of what it is. */
export interface MadeFile {
  readonly document: string;
  readonly name: string;
  readonly remake: (document: string) => string;
}

export const FILES: readonly MadeFile[] = [
  { document: "deploy/helm/varve/values.schema.json", name: "settings of a broker", remake: withConfigSchema },
];

export const SECTIONS: readonly Section[] = [
  {
    document: "packages/base/README.md",
    name: "error reference",
    make: (read) => errorTable(read("packages/base/src/errors.ts")),
  },
  { document: "packages/broker/OPERATIONS.md", name: "settings of a broker", make: brokerTable },
  { document: "packages/cluster/README.md", name: "settings of a topic", make: topicTable },
  { document: "packages/client/README.md", name: "options of the SDK", make: optionTables },
];

/** The document of a section as it should be. @throws Error when it has no marks, or the code does not say what is needed. */
export function madeDocument(section: Section | MadeFile, read: Read): string {
  const document = read(section.document);
  return "remake" in section ? section.remake(document) : withSection(document, section.name, section.make(read));
}
