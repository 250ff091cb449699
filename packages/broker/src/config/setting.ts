/**
 * setting.ts: the kinds of settings: what a value must look like in YAML and in an environment variable, and how a row is written.
 */

interface RowBase {
  /** What a larger, smaller or other value leads to; one or two sentences for an operator. */
  readonly effect: string;
  /** Places in its text are filled in (template.ts); what comes out is checked like any value. */
  readonly template?: boolean;
}

/** An integer in `min .. max`, in `unit`. */
export interface IntegerSetting<Default extends number | null | undefined = number | null | undefined> extends RowBase {
  readonly type: "integer";
  /** undefined = must be set; null = unset has a meaning of its own, which `effect` tells. */
  readonly default: Default;
  readonly min: number;
  readonly max: number;
  /** Empty for plain counts and ids. */
  readonly unit: "" | "ms" | "bytes" | "bytes/s" | "records" | "partitions" | "replicas";
  /** Whether -1 is allowed too, for "no bound". */
  readonly unlimited?: boolean;
}

/** A text of 1 .. lengthMax characters. */
export interface TextSetting<Default extends string | null | undefined = string | null | undefined> extends RowBase {
  readonly type: "text";
  readonly default: Default;
  readonly lengthMax: number;
  /** What is wrong with a value; null = nothing. */
  readonly problem?: (value: string) => string | null;
}

/** One of a few words. */
export interface ChoiceSetting<Choice extends string = string> extends RowBase {
  readonly type: "choice";
  readonly default: Choice;
  readonly choices: readonly Choice[];
}

export interface BooleanSetting extends RowBase {
  readonly type: "boolean";
  readonly default: boolean;
}

/** A list of texts; in a variable they are separated by commas. */
export interface ListSetting<Default extends readonly string[] | undefined = readonly string[] | undefined>
  extends RowBase {
  readonly type: "list";
  readonly default: Default;
  readonly lengthMin: number;
  readonly lengthMax: number;
  readonly problem?: (item: string) => string | null;
}

export type Setting = IntegerSetting | TextSetting | ChoiceSetting | BooleanSetting | ListSetting;

/** Settings by name; a group nests as in the YAML file. */
export interface SettingTree {
  readonly [name: string]: Setting | SettingTree;
}

/** A row has a text `effect`; a group never has, as each of its members is a row or a group. */
export function isSetting(node: Setting | SettingTree): node is Setting {
  return typeof node.effect === "string";
}

/** null stays possible only where null is the default. */
type ValueOf<Row> =
  Row extends IntegerSetting<infer Default>
    ? null extends Default
      ? number | null
      : number
    : Row extends TextSetting<infer Default>
      ? null extends Default
        ? string | null
        : string
      : Row extends ChoiceSetting<infer Choice>
        ? Choice
        : Row extends BooleanSetting
          ? boolean
          : Row extends ListSetting
            ? readonly string[]
            : never;

/** The values of a tree of settings, nested as the tree. */
export type ConfigOf<Tree> = {
  readonly [Name in keyof Tree]: Tree[Name] extends Setting
    ? ValueOf<Tree[Name]>
    : Tree[Name] extends SettingTree
      ? ConfigOf<Tree[Name]>
      : never;
};

export function integer<const Default extends number | null | undefined>(
  row: Omit<IntegerSetting<Default>, "type">,
): IntegerSetting<Default> {
  return { type: "integer", ...row };
}

export function text<const Default extends string | null | undefined>(
  row: Omit<TextSetting<Default>, "type">,
): TextSetting<Default> {
  return { type: "text", ...row };
}

export function choice<const Choice extends string>(row: Omit<ChoiceSetting<Choice>, "type">): ChoiceSetting<Choice> {
  return { type: "choice", ...row };
}

export function boolean(row: Omit<BooleanSetting, "type">): BooleanSetting {
  return { type: "boolean", ...row };
}

export function list<const Default extends readonly string[] | undefined>(
  row: Omit<ListSetting<Default>, "type">,
): ListSetting<Default> {
  return { type: "list", ...row };
}
