/** shape.ts: reads fields out of parsed JSON and says which one is not what it should be. */

/** A line that cannot be read; the message says why. Whoever reads the lines adds the number. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** A field of the object itself, never one that every object inherits. */
export const own = (fields: Fields, name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);

/** @throws Refused when a value is no JSON object. */
export function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new Refused(`${what} is no object`);
  return value;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** @throws Refused when the field is no string. */
export function text(fields: Fields, name: string): string {
  const value = own(fields, name);
  if (typeof value !== "string") throw wrong(name, value, "a text");
  return value;
}

/** @throws Refused when the field is no finite number. */
export function number(fields: Fields, name: string): number {
  const value = own(fields, name);
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(name, value, "a number");
  return value;
}

/** @throws Refused when the field is no whole number from 0. */
export function whole(fields: Fields, name: string): number {
  const value = own(fields, name);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw wrong(name, value, "a whole number from 0");
  return value;
}

/** A field that may be missing or null. */
export function nullable<T>(fields: Fields, name: string, read: (fields: Fields, name: string) => T): T | null {
  const value = own(fields, name);
  return value === undefined || value === null ? null : read(fields, name);
}

/** @throws Refused when the field is no array. */
export function list(fields: Fields, name: string): readonly unknown[] {
  const value = own(fields, name);
  if (!Array.isArray(value)) throw wrong(name, value, "a list");
  return value;
}

/** Objects of one shape. @throws Refused when the field is no list of them. */
export function listOf<T>(fields: Fields, name: string, read: (entry: Fields) => T): T[] {
  return list(fields, name).map((entry, at) => {
    try {
      return read(fieldsOf(entry, "it"));
    } catch (error) {
      throw error instanceof Refused ? new Refused(`${name}[${at}]: ${error.message}`) : error;
    }
  });
}

function wrong(name: string, value: unknown, wanted: string): Refused {
  const found = value === undefined ? "missing" : `${JSON.stringify(value).slice(0, 60)}`;
  return new Refused(`${name} is ${found}, not ${wanted}`);
}
