/**
 * wrap.ts: replaces a method of one object, so that a test can look at what goes through it, or change it.
 */

/** Replaces a method of one object by what `around` makes of it. */
export function wrap<T extends object, Key extends keyof T & string>(
  object: T,
  key: Key,
  around: (inner: T[Key]) => T[Key],
): void {
  const inner = object[key];
  if (typeof inner !== "function") throw new TypeError(`${key} is no method`);
  Object.defineProperty(object, key, {
    value: around(inner.bind(object) as T[Key]),
    configurable: true,
    writable: true,
  });
}
