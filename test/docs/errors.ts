/** errors.ts: the error reference: the catalogue's rows, with what their comments say happened and what to do. */
import { ERROR_CATALOGUE, type ErrorPolicy, type RetryRule } from "@varve/base";
import { rowComments } from "./doc-comments.js";
import { table } from "./markdown.js";

const RETRY: { readonly [Rule in RetryRule]: string } = {
  never: "no",
  refresh: "refresh",
  backoff: "backoff",
  idempotent: "idempotent only",
};

/** `source`: the text of the file that has the catalogue. @throws Error when a code's comment does not say both. */
export function errorTable(source: string): string {
  const comments = rowComments(source);
  const catalogue: Readonly<Record<string, ErrorPolicy>> = ERROR_CATALOGUE;
  const rows = Object.entries(catalogue).map(([code, { grpc, effect, retry }]) => {
    const [meaning = "", todo] = (comments.get(code) ?? "").split(" Do: ");
    if (meaning === "" || todo === undefined) {
      throw new Error(`${code} needs a comment that says what happened and, after "Do:", what to do`);
    }
    return [`\`${code}\``, effect, RETRY[retry], grpc, meaning, capital(todo)];
  });
  return table(["code", "effect", "retry", "gRPC status", "what happened", "what to do"], rows);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
