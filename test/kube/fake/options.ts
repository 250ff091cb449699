/** options.ts: what a fake `helm` or `kubectl` needs to know of its arguments. */

export interface HelmOptions {
  /** Of all `--set`. */
  readonly set: Readonly<Record<string, string>>;
  readonly flags: ReadonlySet<string>;
}

export function optionsOf(args: readonly string[]): HelmOptions {
  const set: Record<string, string> = {};
  args.forEach((arg, at) => {
    if (arg !== "--set") return;
    const [key = "", ...value] = (args[at + 1] ?? "").split("=");
    set[key] = value.join("=");
  });
  return { set, flags: new Set(args.filter((arg) => arg.startsWith("--"))) };
}

/** The arguments that are names. */
export function noOptions(args: readonly string[]): string[] {
  return args.filter((arg, at) => !arg.startsWith("-") && args[at - 1] !== "-l");
}
