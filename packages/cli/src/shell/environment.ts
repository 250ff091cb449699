/** environment.ts: the variables that a command may read. */

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;
