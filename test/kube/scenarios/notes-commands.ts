/** notes-commands.ts: the commands in what `helm install` prints, as they are printed, for a shell. */

/** Those that a reader is asked to run at once: not how to take brokers away, which names a CHART and comes last. */
export function notesCommands(notes: string): string[] {
  const [now = ""] = notes.split("\nTo take brokers away");
  return now
    .split("\n")
    .filter((line) => /^ {2}(?:kubectl|helm|echo) /.test(line))
    .map((line) => line.trim());
}
