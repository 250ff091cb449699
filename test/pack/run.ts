/** run.ts: runs another program to its end, or to its deadline. */
import { execFile } from "node:child_process";

export interface RunOptions {
  readonly cwd: string;
  /** Then it is killed, and the run has failed. */
  readonly timeoutMs: number;
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

/** Output beyond this ends the program; none of ours comes near. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** Resolves when the program has exited with 0. @throws Error with all that it printed, otherwise. */
export function run(command: string, args: readonly string[], { cwd, timeoutMs }: RunOptions): Promise<Ran> {
  const options = { cwd, timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: OUTPUT_BYTES_MAX } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(`${command} ${args.join(" ")} (in ${cwd}): ${error.message}\n${stdout}\n${stderr}`));
    });
    child.stdin?.end();
  });
}
