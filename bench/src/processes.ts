/** processes.ts: what a broker process has cost so far, and programs that run beside this one. */
import { fork } from "node:child_process";

/** A counter or gauge of a broker's operators' port, by its full name; 0 when it is not there. */
export async function metric(ops: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${ops}/metrics`)).text();
  const line = text
    .split("\n")
    .find((candidate) => candidate.startsWith(`${name} `) || candidate.startsWith(`${name}{`));
  return Number(line?.slice(line.lastIndexOf(" ") + 1) ?? 0);
}

export async function sumOf(places: readonly { readonly ops: string }[], name: string): Promise<number> {
  const values = await Promise.all(places.map(({ ops }) => metric(ops, name)));
  return values.reduce((sum, value) => sum + value, 0);
}

/** Runs one of this folder's programs in a process of its own and resolves with the one object that it reports. */
export function runProgram<Answer>(program: string, input: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL(program, import.meta.url), [JSON.stringify(input)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let answer: Answer | null = null;
    child.on("message", (message) => {
      answer = message as Answer;
    });
    child.on("exit", (code) => {
      if (answer === null) reject(new Error(`${program} ended with ${code} and no answer`));
      else resolve(answer);
    });
  });
}

/** The input of a program that `runProgram` started. */
export function programInput<Input>(): Input {
  return JSON.parse(process.argv[2] ?? "{}") as Input;
}

/** Sends the answer and ends the process. */
export function answer(value: object): void {
  process.send?.(value, () => process.exit(0));
}
