/**
 * hooks.ts: places in a broker's life at which faults are rare by chance and interesting: a decision arms one, and the next time, or a few times
 * later, that a broker comes by, it crashes, is killed or paused right there.
 *
 * All of them lie on the ports, or between parts that the observer wraps: in production there is nothing at these places.
 * Source: FoundationDB's BUGGIFY ("buggification"); etcd's gofail points.
 */
import type { Prng } from "@varve/base/testing";
import type { SimStep } from "@varve/storage/testing";

export const HOOKS = [
  "after-append-before-fsync",
  "after-fsync-before-ack",
  "before-segment-sync",
  "before-checkpoint-rename",
  "before-directory-sync",
  "before-file-removal",
  "before-wal-file-reuse",
  "before-truncate",
  "before-store-write",
  "vote-before-sent",
  "append-before-sent",
  "append-answer-before-sent",
  "snapshot-before-sent",
  "snapshot-before-install",
  "transfer-before-sent",
  "applied-before-answer",
  "leader-before-noop",
  "leader-before-serving",
] as const;
export type Hook = (typeof HOOKS)[number];

/** What happens at a hook. */
export type HookAction = "crash" | "kill" | "pause";

interface Armed {
  readonly hook: Hook;
  readonly action: HookAction;
  /** The machine that it waits for; null: whichever comes first. */
  readonly machine: string | null;
  /** How often it is passed by before. */
  passes: number;
}

/** Most passes before an armed hook acts. */
const PASSES_MAX = 6;

/** Places that few machines of a run come to: the first that does is hit. */
const RARE: ReadonlySet<Hook> = new Set<Hook>([
  "before-truncate",
  "snapshot-before-sent",
  "snapshot-before-install",
  "transfer-before-sent",
]);

/** Followers that need a snapshot are the rarest. */
const RAREST: readonly Hook[] = ["snapshot-before-sent", "snapshot-before-install"];
const RAREST_MORE_OFTEN = 6;

/** What is drawn from: rare ones thrice, the rarest nine times. */
const DRAWN: readonly Hook[] = [
  ...HOOKS,
  ...RARE,
  ...RARE,
  ...Array.from({ length: RAREST_MORE_OFTEN }, () => RAREST).flat(),
];

/** A process that dies at the one leaves what brings the next to the other: a segment that is longer than its mark says. */
const LEADS_TO: Readonly<Partial<Record<Hook, Hook>>> = { "before-truncate": "before-segment-sync" };

/** The hooks of all machines. */
export class Hooks {
  /** How often each acted in this run. */
  readonly fired = new Map<Hook, number>();
  private armed: Armed[] = [];

  arm(machine: string, prng: Prng): Hook {
    const hook = prng.pick(DRAWN);
    const action = drawAction(prng);
    const passes = prng.between(0, PASSES_MAX);
    const before = LEADS_TO[hook];
    if (before !== undefined) this.armed.push({ hook: before, action: "kill", machine, passes });
    const isRare = RARE.has(hook);
    this.armed.push({ hook, action, machine: isRare ? null : machine, passes: isRare ? 0 : passes });
    return hook;
  }

  /** The next snapshot meets something where it is sent, or where it is installed, whichever machine that is. */
  armSnapshot(prng: Prng): Hook {
    const hook = prng.pick(RAREST);
    this.armed.push({ hook, action: drawAction(prng), machine: null, passes: 0 });
    return hook;
  }

  disarm(): void {
    this.armed = [];
  }

  /** The machine has come to this place. Null: it passes by. */
  maybe(hook: Hook, machine: string): HookAction | null {
    if (this.armed.length === 0) return null;
    const armed = this.armed.find((each) => each.hook === hook && (each.machine ?? machine) === machine);
    if (armed === undefined || armed.passes-- > 0) return null;
    this.armed = this.armed.filter((each) => each !== armed);
    this.fired.set(hook, (this.fired.get(hook) ?? 0) + 1);
    return armed.action;
  }
}

function drawAction(prng: Prng): HookAction {
  return prng.pick(["crash", "crash", "crash", "kill", "pause"] as const);
}

/** The hook before a step of the disk; null: none. */
export function hookOfStep({ what, path }: SimStep): Hook | null {
  switch (what) {
    case "sync":
      return path.endsWith(".log") ? "before-segment-sync" : null;
    case "rename":
      if (path.endsWith(".wal")) return "before-wal-file-reuse";
      return path.endsWith(".checkpoint") ? "before-checkpoint-rename" : null;
    case "syncDir":
      return "before-directory-sync";
    case "remove":
      return "before-file-removal";
    case "truncate":
      return "before-truncate";
    default:
      return null;
  }
}
