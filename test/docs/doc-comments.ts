/**
 * doc-comments.ts: reads what the code says about itself: the comment above each member of an interface or of an object.
 *
 * Reads text, not types: it relies on the formatter's layout, and refuses what it does not understand rather than leave it out.
 */

export interface DocumentedMember {
  readonly name: string;
  /** `name?: ...`: may be left out. */
  readonly optional: boolean;
  /** The comment's words on one line; empty when there is none. */
  readonly comment: string;
}

export interface DocumentedInterface {
  /** Names of the interfaces that it extends. */
  readonly above: readonly string[];
  readonly members: readonly DocumentedMember[];
}

const COMMENT = String.raw`(?:/\*\*(?<comment>(?:[^*]|\*(?!/))*)\*/\s*)?`;

/** The interface `name` of a source file. @throws Error when there is none, or none that can be read. */
export function interfaceOf(source: string, name: string): DocumentedInterface {
  const [, heritage = "", body] =
    new RegExp(String.raw`^export interface ${name}(?:<[^{]*?>)?( extends [^{]+)? \{\n([\s\S]*?)^\}`, "m").exec(
      source,
    ) ?? [];
  if (body === undefined) throw new Error(`there is no interface ${name}`);
  const pattern = new RegExp(String.raw`^  ${COMMENT}readonly (?<name>\w+)(?<optional>\??):`, "gm");
  const members = [...body.matchAll(pattern)].map(({ groups = {} }) => ({
    name: groups["name"] ?? "",
    optional: groups["optional"] === "?",
    comment: words(groups["comment"]),
  }));
  const written = body.match(/^ {2}readonly /gm)?.length ?? 0;
  if (members.length === 0 || members.length !== written) throw new Error(`not all members of ${name} can be read`);
  return { above: heritage.match(/(?<=[ ,])[A-Z]\w*/g) ?? [], members };
}

/** The comments above the rows `NAME: row(` of a table in a source file, by name. */
export function rowComments(source: string): ReadonlyMap<string, string> {
  const pattern = new RegExp(String.raw`^  ${COMMENT}(?<name>[A-Z][A-Z_]+): row\(`, "gm");
  return new Map(
    [...source.matchAll(pattern)].map(({ groups = {} }) => [groups["name"] ?? "", words(groups["comment"])]),
  );
}

/** A comment without its stars, on one line. */
function words(comment: string | undefined): string {
  return (comment ?? "")
    .replaceAll(/^\s*\*/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}
