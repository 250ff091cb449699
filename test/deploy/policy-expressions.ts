/**
 * policy-expressions.ts: what an admission policy's expressions say about a request, near enough to the API server: CEL's `has`, `in`, `string`,
 * comparisons and logic mean the same as JavaScript's of the same form. Types are not checked as CEL does.
 */
import { runInNewContext } from "node:vm";
import { at, type KubeObject } from "./chart.js";

/** Whether the policy lets a change from `oldObject` to `object` pass. */
export function admits(policy: KubeObject, oldObject: unknown, object: unknown): boolean {
  const variables: Record<string, unknown> = {};
  const evaluate = (expression: string): unknown =>
    runInNewContext(expression.replaceAll(/\bhas\(([\w.]+)\)/g, "($1 !== undefined)"), {
      object,
      oldObject,
      variables,
      string: String,
    });
  for (const { name, expression } of at(policy, "spec", "variables") as { name: string; expression: string }[])
    variables[name] = evaluate(expression);
  const validations = at(policy, "spec", "validations") as { expression: string }[];
  return validations.every(({ expression }) => evaluate(expression) === true);
}
