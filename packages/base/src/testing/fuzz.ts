/**
 * fuzz.ts: judges a decoder by thousands of spoiled inputs.
 *
 * Invariants, for every input:
 *   Z1  it decodes, or throws a VarveError of the codes that the decoder states: no RangeError, TypeError or AssertionError
 *   Z2  what decodes is valid: it encodes again, and those bytes decode to what encodes to the same bytes
 *   Z3  it takes neither long nor much memory: below `decodeMsMax` and `heldBytesMax`
 * A run ends after its rounds, or after its time when it has made enough of them to say something: a busy machine makes it smaller, not empty.
 */
import { getHeapStatistics } from "node:v8";
import { type ErrorCode, isVarveError } from "../errors.js";
import { type Mutate, mutateBytes } from "./mutations.js";
import { Prng } from "./prng.js";

/** A decoder and what is known of it. */
export interface FuzzedDecoder<T> {
  /** Valid encodings; each must decode. */
  readonly samples: readonly Uint8Array[];
  readonly decode: (bytes: Uint8Array) => T;
  /** Codes of the errors it may throw. */
  readonly codes: readonly ErrorCode[];
  /** The encoding of what was decoded (Z2). Left out where nothing encodes such a value. */
  readonly encode?: (value: T) => Uint8Array;
  /** Default `mutateBytes`. */
  readonly mutate?: Mutate;
  /** Puts checksums and lengths right again, so that damage is met behind them; applied to two of three inputs. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array;
  readonly seed: number;
  /** Default 6,000. */
  readonly rounds?: number;
  /** Rounds above ROUNDS_MIN end after this; default 1,500 ms. */
  readonly runMsMax?: number;
}

/** What came of a run. */
export interface FuzzReport {
  readonly rounds: number;
  readonly decoded: number;
  readonly refused: number;
}

const ROUNDS_MIN = 200;
/** Far above what any of these inputs takes, far below a hang. */
const DECODE_MS_MAX = 2_000;
/** Memory that one input may leave behind: a constant, and a multiple of the input. */
const HELD_BYTES_MAX = 24 * 1024 * 1024;
const HELD_BYTES_PER_BYTE = 64;
const HEX_BYTES_MAX = 512;

/** The seed of a test run: `SEED` in the environment, else a fresh one. Put it into the test's title. */
export function fuzzSeed(): number {
  return Number(process.env["SEED"] ?? Date.now() % 2 ** 32);
}

/** Runs the decoder on spoiled samples. @throws Error that names seed, round and input when Z1, Z2 or Z3 does not hold. */
export function fuzzDecoder<T>(decoder: FuzzedDecoder<T>): FuzzReport {
  const { samples, seed, rounds = 6_000, runMsMax = 1_500, mutate = mutateBytes, repair } = decoder;
  for (const [at, sample] of samples.entries()) {
    if (!judge(decoder, sample, `seed ${seed}, sample ${at}`)) throw new Error(`sample ${at} does not decode`);
  }
  const prng = new Prng(seed);
  const endMs = performance.now() + runMsMax;
  let round = 0;
  let decoded = 0;
  for (; round < rounds && (round < ROUNDS_MIN || performance.now() < endMs); round++) {
    const spoiled = mutate(prng, prng.pick(samples), samples);
    const input = repair !== undefined && prng.chance(2 / 3) ? repair(spoiled) : spoiled;
    if (judge(decoder, input, `seed ${seed}, round ${round}`)) decoded++;
  }
  return { rounds: round, decoded, refused: round - decoded };
}

/** Whether the input decodes. @throws Error when it breaks an invariant. */
function judge<T>(decoder: FuzzedDecoder<T>, input: Uint8Array, where: string): boolean {
  const kept = Uint8Array.from(input);
  const what = (): string =>
    `${where}: ${kept.length} bytes ${Buffer.from(kept.subarray(0, HEX_BYTES_MAX)).toString("hex")}`;
  const heldBefore = heldBytes();
  const startMs = performance.now();
  const outcome = outcomeOf(() => decoder.decode(input), decoder.codes, what);
  const tookMs = performance.now() - startMs;
  const held = heldBytes() - heldBefore;
  if (tookMs > DECODE_MS_MAX) throw new Error(`decoding took ${Math.round(tookMs)} ms: ${what()}`);
  if (held > HELD_BYTES_MAX + HELD_BYTES_PER_BYTE * kept.length)
    throw new Error(`decoding took ${held} bytes: ${what()}`);
  if (outcome === null) return false;
  if (decoder.encode !== undefined) checkAgain(decoder, decoder.encode, outcome.value, what);
  return true;
}

function outcomeOf<T>(decode: () => T, codes: readonly ErrorCode[], what: () => string): { readonly value: T } | null {
  try {
    return { value: decode() };
  } catch (error) {
    if (!isVarveError(error)) throw new Error(`untyped error, ${what()}`, { cause: error });
    if (!codes.includes(error.code))
      throw new Error(`${error.code} is not among ${codes.join()}, ${what()}`, { cause: error });
    return null;
  }
}

/** Z2: the bytes of what was decoded are the bytes of what they decode to. */
function checkAgain<T>(
  decoder: FuzzedDecoder<T>,
  encode: (value: T) => Uint8Array,
  value: T,
  what: () => string,
): void {
  try {
    const once = Uint8Array.from(encode(value));
    const twice = encode(decoder.decode(once));
    if (Buffer.compare(once, twice) === 0) return;
  } catch (error) {
    throw new Error(`what was decoded does not encode and decode again, ${what()}`, { cause: error });
  }
  throw new Error(`what was decoded encodes to something else the second time, ${what()}`);
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
