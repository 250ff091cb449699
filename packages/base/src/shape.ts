/**
 * shape.ts: turns parsed JSON into values of known types, or says at which path it is not one.
 *
 * Total: a reader returns its type or throws ShapeError, whatever it is given. Unknown fields are refused, since a field that one
 * version ignores and another obeys would make replicas differ.
 */

/** Some JSON is not what was expected; turned into a VarveError by the codecs. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

export type Reader<T> = (value: unknown, path: string) => T;

const PATH_LENGTH_MAX = 300;
const SHOWN_LENGTH_MAX = 100;

function fail(path: string, expected: string): never {
  throw new ShapeError(`${path.slice(0, PATH_LENGTH_MAX)}: expected ${expected}`);
}

/** A value of untrusted JSON for a message: short, and never deeper than its first level, however deep it is nested. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return JSON.stringify(typeof value === "string" ? value.slice(0, SHOWN_LENGTH_MAX) : value) ?? "nothing";
}

export function text(lengthMax: number): Reader<string> {
  return (value, path) =>
    typeof value === "string" && value.length <= lengthMax
      ? value
      : fail(path, `text of at most ${lengthMax} characters`);
}

/** A text that `isGood`; `expected` says what that is. */
export function matching(isGood: (value: string) => boolean, expected: string): Reader<string> {
  return (value, path) => (typeof value === "string" && isGood(value) ? value : fail(path, expected));
}

export const number: Reader<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? value : fail(path, "a number");

export const integer: Reader<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : fail(path, "an integer");

/** An integer in `0 .. last`. */
export function wholeUpTo(last: number): Reader<number> {
  return (value, path) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= last && !Object.is(value, -0)
      ? value
      : fail(path, `an integer in 0 .. ${last}`);
}

export const count: Reader<number> = wholeUpTo(Number.MAX_SAFE_INTEGER);

export const bool: Reader<boolean> = (value, path) =>
  typeof value === "boolean" ? value : fail(path, "true or false");

export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, path) => (value === null ? null : reader(value, path));
}

export function list<T>(item: Reader<T>, lengthMax: number): Reader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > lengthMax) return fail(path, `a list of at most ${lengthMax}`);
    return value.map((element, at) => item(element, `${path}[${at}]`));
  };
}

export function oneOf<const T extends string>(...expected: readonly T[]): Reader<T> {
  return (value, path) =>
    expected.find((known) => known === value) ??
    fail(path, expected.map((known) => JSON.stringify(known)).join(" or "));
}

/** A record with any keys, at most `sizeMax`; the keys become own properties, `__proto__` too. */
export function dictionary<T>(item: Reader<T>, sizeMax: number): Reader<Readonly<Record<string, T>>> {
  return (value, path) => {
    const entries = Object.entries(record(value, path));
    if (entries.length > sizeMax) return fail(path, `at most ${sizeMax} keys`);
    return Object.fromEntries(entries.map(([key, element]) => [key, item(element, `${path}.${key}`)]));
  };
}

/** A record with exactly these fields, built in the order in which they are listed. */
export function object<T extends object>(fields: { readonly [Key in keyof T]-?: Reader<T[Key]> }): Reader<T> {
  const keys = Object.keys(fields) as (keyof T & string)[];
  return (value, path) => {
    const given = record(value, path);
    for (const key of Object.keys(given)) if (!Object.hasOwn(fields, key)) fail(`${path}.${key}`, "no such field");
    const result: Partial<T> = {};
    for (const key of keys)
      result[key] = fields[key](Object.hasOwn(given, key) ? given[key] : undefined, `${path}.${key}`);
    return result as T;
  };
}

/** A record with at least these fields; others, as a newer version may send, are left out. */
export function open<T extends object>(fields: { readonly [Key in keyof T]-?: Reader<T[Key]> }): Reader<T> {
  const closed = object(fields);
  return (value, path) => {
    const known = Object.entries(record(value, path)).filter(([key]) => Object.hasOwn(fields, key));
    return closed(Object.fromEntries(known), path);
  };
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail(path, "an object");
  return value as Readonly<Record<string, unknown>>;
}
