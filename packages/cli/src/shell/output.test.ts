import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { StreamOutput } from "./output.js";

/** A stream that takes each write only when told. */
class SlowStream extends Writable {
  readonly taken: Buffer[] = [];
  readonly waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.taken.push(chunk);
    this.waiting.push(() => done());
  }

  get text(): string {
    return Buffer.concat(this.taken).toString();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("StreamOutput: what is written in one turn leaves in one piece, in order", async () => {
  const stream = new SlowStream();
  const output = new StreamOutput(stream, () => {});
  for (const text of ["a", "b", "c"]) expect(output.write(text)).toBeUndefined();
  await turn();
  expect(stream.taken.map(String)).toEqual(["abc"]);
});

test("StreamOutput: a writer of much waits until the stream has taken it", async () => {
  const stream = new SlowStream();
  const output = new StreamOutput(stream, () => {});
  const written = output.write("x".repeat(100_000));
  let isDone = false;
  void written?.then(() => {
    isDone = true;
  });
  await turn();
  expect(isDone).toBe(false);
  stream.waiting.shift()?.();
  await written;
  expect(isDone).toBe(true);
});

test("StreamOutput: flush says whether the stream took it all, also before the stream itself says that it failed", async () => {
  let taken = 0;
  const stream = new Writable({
    write: (_chunk, _encoding, done) => {
      taken += 1;
      done(taken === 2 ? Object.assign(new Error("no space"), { code: "ENOSPC" }) : null);
    },
  });
  const errors: Error[] = [];
  const output = new StreamOutput(stream, (error) => errors.push(error));
  expect(await output.flush()).toBe(true);
  void output.write("a");
  expect(await output.flush()).toBe(true);
  void output.write("b");
  expect(await output.flush()).toBe(false);
  void output.write("c");
  expect(await output.flush()).toBe(false);
  await turn();
  expect(await output.flush()).toBe(false);
  expect(errors).toMatchObject([{ code: "ENOSPC" }]);
});

test("StreamOutput: after the reader has gone it says so once, drops the rest and keeps nobody waiting", async () => {
  let closed = 0;
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  const output = new StreamOutput(stream, () => {
    closed += 1;
  });
  void output.write("a");
  await output.flush();
  await turn();
  void output.write("b".repeat(100_000));
  await output.flush();
  expect(closed).toBe(1);
});
