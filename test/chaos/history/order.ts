/**
 * order.ts: joins the lines of a history: every end of an operation with its invoke, by the rules H1-H3 of events.ts.
 *
 * Faults of one nemesis may overlap, unlike a client's operations: an end that names no fault is that of the oldest.
 * Memory: one entry for every open operation, and the name of every proc that ended with an `info`.
 */
import type { Announced, Announcements, Answered, Begun, OperationName, Step, Unanswered } from "./events.js";
import {
  ANNOUNCEMENTS,
  ANSWERS,
  ASKS,
  errOf,
  isAnnouncement,
  isOperation,
  type ParsedLine,
  parseLine,
} from "./parse.js";
import { Refused } from "./shape.js";

type Open =
  | { readonly [F in OperationName]: Begun<F> }[OperationName]
  | { readonly f: "foreign"; readonly name: string };

/** Reads the lines of one history, in order. */
export class Order {
  private next = 0;
  private lastT = Number.NEGATIVE_INFINITY;
  private readonly open = new Map<string, Open>();
  private readonly retired = new Map<string, number>();

  /** @throws Refused when the line is no event, or none that may follow the ones before. */
  read(line: string): Step {
    const parsed = parseLine(line);
    if (parsed.i !== this.next) throw new Refused(`i is ${parsed.i}, but ${this.next} comes here`);
    if (parsed.t < this.lastT) throw new Refused(`t goes back from ${this.lastT} to ${parsed.t}`);
    this.next++;
    this.lastT = parsed.t;
    const ended = this.retired.get(parsed.proc);
    if (ended !== undefined)
      throw new Refused(`proc ${parsed.proc} goes on after its info at ${ended}; a client takes a new name then`);
    const step = this.join(parsed);
    if (parsed.type === "info") this.retired.set(parsed.proc, parsed.i);
    return step;
  }

  private join(parsed: ParsedLine): Step {
    const { f } = parsed;
    if (isAnnouncement(f)) return announced(f, parsed);
    return parsed.type === "invoke" ? this.begin(parsed) : this.end(parsed);
  }

  private begin(parsed: ParsedLine): Step {
    const { proc, f } = parsed;
    const key = keyOf(parsed);
    const open = this.open.get(key);
    if (open !== undefined) throw new Refused(`proc ${proc} begins ${f} while its ${nameOf(open)} is open`);
    if (!isOperation(f)) {
      this.open.set(key, { f: "foreign", name: f });
      return foreign(parsed);
    }
    const begun = begunOf(f, parsed);
    this.open.set(key, begun);
    return begun;
  }

  private end(parsed: ParsedLine): Step {
    const { proc, f, type } = parsed;
    const key = f === "nemesis" ? this.faultOf(parsed) : proc;
    const open = this.open.get(key);
    const isKnown = isOperation(f);
    // Another tool may have announcements of its own: an f that is not known may end nothing.
    if (!isKnown && (open === undefined || nameOf(open) !== f)) return foreign(parsed);
    if (open === undefined) throw new Refused(`proc ${proc} has no ${f} open that could end with ${type}`);
    if (nameOf(open) !== f) throw new Refused(`proc ${proc} ends ${f}, but ${nameOf(open)} is open`);
    this.open.delete(key);
    if (open.f === "foreign") return foreign(parsed);
    return endOf(open, parsed);
  }

  /** Key of the open fault that a line ends. */
  private faultOf({ proc, fields }: ParsedLine): string {
    for (const [key, open] of this.open) {
      if (open.f !== "nemesis" || open.proc !== proc) continue;
      const { name = open.ask.name, target = open.ask.target } = fields;
      if (key === faultKey(proc, name, target)) return key;
    }
    return proc;
  }
}

/** Under what an operation is open. */
function keyOf({ proc, f, fields }: ParsedLine): string {
  return f === "nemesis" ? faultKey(proc, fields["name"], fields["target"]) : proc;
}

function faultKey(proc: string, name: unknown, target: unknown): string {
  return JSON.stringify([proc, name, target ?? null]);
}

const nameOf = (open: Open): string => (open.f === "foreign" ? open.name : open.f);

const foreign = ({ i, t, proc, type }: ParsedLine): Step => ({ i, t, proc, type, f: "foreign" });

function announced<F extends keyof Announcements>(f: F, { i, t, proc, type, fields }: ParsedLine): Step {
  if (type !== "ok") throw new Refused(`${f} has the type ${type}; only ok is possible`);
  const step: Announced<F> = { i, t, proc, f, type, said: ANNOUNCEMENTS[f](fields) };
  return step as Step;
}

function begunOf<F extends OperationName>(f: F, { i, t, proc, fields }: ParsedLine): Open & Step {
  const step: Begun<F> = { i, t, proc, f, type: "invoke", ask: ASKS[f](fields) };
  return step as Begun<OperationName> as Open & Step;
}

function endOf<F extends OperationName>(open: Begun<F>, { i, t, proc, type, fields }: ParsedLine): Step {
  const { f, ask } = open;
  const begun = { i: open.i, t: open.t };
  if (type === "ok") {
    const step: Answered<F> = { i, t, proc, f, type, begun, ask, answer: ANSWERS[f](fields) };
    return step as Answered<OperationName> as Step;
  }
  if (type === "invoke") throw new Refused("an invoke ends nothing");
  const step: Unanswered<F> = { i, t, proc, f, type, begun, ask, err: errOf(fields) };
  return step as Unanswered<OperationName> as Step;
}
