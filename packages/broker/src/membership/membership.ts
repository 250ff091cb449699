/**
 * membership.ts: how a data directory comes to belong to a cluster: it founds one, is named in another's founding, or joins.
 *
 * The first seed proposes {cluster id, voters by directory id}. Every seed makes that promise durable before it says yes, and reports
 * it ever after; founding needs every seed's yes. A seed that finds its own directory in a promise adopts it as a voter; any other
 * broker that hears a cluster id joins. A non-seed never founds, and `expectedClusterId` forbids founding.
 * Invariants:
 *   M1  a directory promises at most one founding, and belongs to at most one cluster, for ever
 *   M2  a cluster exists only after all seeds have promised it durably
 */
import {
  type BrokerId,
  type Clock,
  delay,
  isVarveError,
  type Logger,
  type Random,
  randomUuid,
  shape,
  VarveError,
} from "@varve/base";
import type { PeerHello, PeerHub } from "@varve/peer";
import type { Storage } from "@varve/storage";
import { PeerMethod } from "../peer-kinds.js";
import { decodeJson, encodeJson } from "../routing/json-payload.js";
import {
  decodeNote,
  encodeNote,
  type Founding,
  type FoundingNote,
  type FoundingVoter,
  readFounding,
  readVoters,
} from "./founding-note.js";

export interface MembershipOptions {
  readonly brokerId: BrokerId;
  /** Peer addresses of the seeds, in the order that every broker is configured with. */
  readonly seeds: readonly string[];
  /** This broker's own peer address, as it stands in the seed list when it is a seed. */
  readonly peerAddress: string;
  readonly expectedClusterId: string | null;
  /** What a founding takes as the cluster's id, in place of a random one, and whom alone this directory joins. */
  readonly certifiedClusterId: string | null;
  readonly storage: Pick<Storage, "identity" | "note" | "setNote" | "adopt">;
  readonly hub: Pick<PeerHub, "connected" | "call" | "handleCall" | "announce">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What this directory is a member of, and how its replica of the controller's group starts. */
export interface Member {
  readonly clusterId: string;
  readonly replicaId: number;
  readonly voters: readonly FoundingVoter[];
}

/** What a joining broker says of itself. */
export interface JoinRequest {
  readonly brokerId: BrokerId;
  readonly directoryId: string;
  readonly bootIds: readonly string[];
  readonly peerAddress: string;
  /** The controller's replica that this directory has lost and wants a fresh one for; null: it joins. */
  readonly lost: number | null;
}

interface PromiseAnswer {
  readonly ok: boolean;
  readonly directoryId: string;
  readonly brokerId: BrokerId;
  readonly note: FoundingNote | null;
  readonly reason: string;
}

/** What a founder needs of the answer to it. */
type HeardPromise = Pick<PromiseAnswer, "ok" | "brokerId" | "reason">;

const { bool, count, list, nullable, open, text } = shape;
const TEXT_LENGTH_MAX = 65_536;
const BOOT_IDS_MAX = 1_000;
const words = text(TEXT_LENGTH_MAX);

const readPromiseAnswer = open<HeardPromise>({ ok: bool, brokerId: count, reason: words });

/** A request to join, as it is read. */
export const readJoinRequest = open<JoinRequest>({
  brokerId: count,
  directoryId: words,
  bootIds: list(words, BOOT_IDS_MAX),
  peerAddress: words,
  lost: absentOr(count),
});

const readJoinAnswer = open<Omit<JoinAnswer, "refused"> & { readonly refused: string | null }>({
  replicaId: count,
  voters: readVoters,
  refused: absentOr(words),
});

/** Null or absent, or what `reader` reads. */
function absentOr<T>(reader: shape.Reader<T>): shape.Reader<T | null> {
  return (value, path) => nullable(reader)(value ?? null, path);
}

const RETRY_MS = 100;
const RENEW_AGAIN_MS = 500;
const CALL_MS = 2_000;
/** Controller voters at founding: three, or five when there are that many seeds. */
const VOTERS_SMALL = 3;
const VOTERS_LARGE = 5;

export class Membership {
  private readonly options: MembershipOptions;
  private note: FoundingNote | null;
  private writing: Promise<void> = Promise.resolve();
  /** Whom it asked last to let it join; 0: nobody. */
  private lastAsked: BrokerId = 0;

  constructor(options: MembershipOptions) {
    this.options = options;
    this.note = options.storage.note === null ? null : decodeNote(options.storage.note);
    options.hub.handleCall(PeerMethod.promise, (_from, payload) => this.answerPromise(payload));
  }

  /** The voters that the founding named; for routing before the controller's state is known. */
  foundingVoters(): readonly FoundingVoter[] {
    if (this.note === null) return [];
    return this.note.kind === "promised" ? this.note.founding.voters : this.note.voters;
  }

  /** Resolves when this directory belongs to a cluster. Runs until then or until `signal`. */
  async resolve(signal: AbortSignal): Promise<Member> {
    let said = "";
    for (;;) {
      const member = this.known() ?? (await this.attempt());
      if (member !== null) return member;
      const waiting = this.waitingFor();
      if (waiting !== said) this.options.logger.info({ waiting }, "not a member of a cluster yet");
      said = waiting;
      await delay(this.options.clock, RETRY_MS, signal);
    }
  }

  /** The membership that node.json and the note already prove. */
  private known(): Member | null {
    const { clusterId } = this.options.storage.identity;
    if (clusterId === null || this.note === null) return null;
    return memberOf(this.note, this.options.storage.identity.directoryId);
  }

  private async attempt(): Promise<Member | null> {
    const heard = this.nextHeard();
    if (heard?.clusterId != null) return this.adoptHeard(heard, heard.clusterId);
    const { seeds, peerAddress, expectedClusterId } = this.options;
    if (seeds[0] !== peerAddress || expectedClusterId !== null) return null;
    return this.found();
  }

  /** Another peer of a cluster each time: one may be cut off from its controller, or have left the cluster. */
  private nextHeard(): PeerHello | null {
    const members = this.options.hub.connected().filter((peer) => peer.clusterId !== null);
    members.sort((left, right) => left.brokerId - right.brokerId);
    const { lastAsked } = this;
    return members.find(({ brokerId }) => brokerId > lastAsked) ?? members[0] ?? null;
  }

  /** What is missing, in words. */
  waitingFor(): string {
    const connected = this.options.hub.connected().length;
    const isSeed = this.options.seeds.includes(this.options.peerAddress);
    return `${isSeed ? "seed" : "not a seed"}, connected to ${connected} brokers, of ${this.options.seeds.length} seeds all must be up to found a cluster`;
  }

  /** A peer belongs to a cluster: ours, if we promised it; else we ask to join it. */
  private async adoptHeard(peer: PeerHello, clusterId: string): Promise<Member | null> {
    const { expectedClusterId, certifiedClusterId } = this.options;
    if (certifiedClusterId !== null && certifiedClusterId !== clusterId) {
      throw new VarveError("DATA_DIR_UNUSABLE", {
        message: `broker ${peer.brokerId} belongs to cluster ${clusterId}, but this broker's certificate is of cluster ${certifiedClusterId}; check the seeds`,
      });
    }
    if (expectedClusterId !== null && expectedClusterId !== clusterId) {
      throw new VarveError("DATA_DIR_UNUSABLE", {
        message: `broker ${peer.brokerId} belongs to cluster ${clusterId}, but expectedClusterId is ${expectedClusterId}; check the seeds`,
      });
    }
    if (this.note?.kind === "promised" && this.note.founding.clusterId === clusterId) {
      if (!(await this.isOfFounding(peer, this.note.founding))) return null;
      const member = memberOf(this.note, this.options.storage.identity.directoryId);
      if (member !== null) {
        await this.adopt(clusterId);
        return member;
      }
    }
    // M1: a promise that was given may have founded its cluster; joining another could make this directory a member of two.
    if (this.note?.kind === "promised" && this.note.founding.clusterId !== clusterId) return null;
    return this.join(peer.brokerId, clusterId);
  }

  /**
   * Whether the peer's cluster is the one of this founding. A random id says so by itself; one from a certificate may have been founded before,
   * by others: then only a peer that keeps the same promise proves it (M1).
   */
  private async isOfFounding(peer: PeerHello, founding: Founding): Promise<boolean> {
    if (this.options.certifiedClusterId === null) return true;
    this.lastAsked = peer.brokerId;
    return (await this.askPromise(peer.brokerId, founding))?.ok === true;
  }

  /**
   * The controller's log of this directory is damaged: asks the others for a fresh replica in its place, and resolves when they have let the
   * old one go, which takes a majority of them. Runs until then or until `signal`; nothing is deleted here.
   */
  async renew(member: Member, signal: AbortSignal): Promise<Member> {
    const { hub, clock, logger } = this.options;
    for (;;) {
      for (const peer of hub.connected()) {
        const answer = await this.ask(peer.brokerId, member.replicaId).catch((error: unknown) => {
          if (isVarveError(error) && error.code === "DATA_DIR_UNUSABLE") throw error;
          logger.debug({ err: error, peer: peer.brokerId }, "a fresh replica of the controller is asked for again");
          return null;
        });
        if (answer === null || answer.replicaId === 0) continue;
        const { clusterId, voters } = member;
        await this.write({ kind: "joined", clusterId, replicaId: answer.replicaId, voters });
        return { clusterId, replicaId: answer.replicaId, voters };
      }
      await delay(clock, RENEW_AGAIN_MS, signal);
    }
  }

  /** @throws VarveError DATA_DIR_UNUSABLE: this directory may never join. */
  private async ask(via: BrokerId, lost: number | null): Promise<Pick<JoinAnswer, "replicaId" | "voters">> {
    const { storage, brokerId, peerAddress, hub } = this.options;
    const { directoryId, bootIds } = storage.identity;
    const request: JoinRequest = { brokerId, directoryId, bootIds, peerAddress, lost };
    const payload = await hub.call(via, PeerMethod.join, encodeJson(request), { timeoutMs: CALL_MS });
    const answer = decodeJson(payload, "the answer to a join", readJoinAnswer);
    if (answer.refused !== null) throw new VarveError("DATA_DIR_UNUSABLE", { message: answer.refused });
    return answer;
  }

  private async join(via: BrokerId, clusterId: string): Promise<Member | null> {
    this.lastAsked = via;
    try {
      const { replicaId, voters } = await this.ask(via, null);
      if (replicaId === 0) return null;
      await this.write({ kind: "joined", clusterId, replicaId, voters });
      await this.adopt(clusterId);
      return { clusterId, replicaId, voters };
    } catch (error) {
      if (isVarveError(error) && error.code === "DATA_DIR_UNUSABLE") throw error;
      this.options.logger.debug({ err: error }, "joining did not succeed yet");
      return null;
    }
  }

  /** Only the first seed comes here, and only while no peer belongs to a cluster. */
  private async found(): Promise<Member | null> {
    const { seeds, hub, storage } = this.options;
    const peers = hub.connected();
    if (peers.length < seeds.length - 1) return null;
    const founding = this.note?.kind === "promised" ? this.note.founding : this.propose(peers);
    if (this.note === null) await this.write({ kind: "promised", founding });
    const answers = await Promise.all(peers.map((peer) => this.askPromise(peer.brokerId, founding)));
    const yes = answers.filter((answer) => answer?.ok === true).length;
    if (yes < seeds.length - 1) {
      for (const answer of answers)
        if (answer?.ok === false) this.options.logger.warn({ from: answer.brokerId }, answer.reason);
      return null;
    }
    const member = memberOf({ kind: "promised", founding }, storage.identity.directoryId);
    if (member === null) return null;
    await this.adopt(founding.clusterId);
    this.options.logger.info(
      { clusterId: founding.clusterId, voters: founding.voters.map((voter) => voter.brokerId) },
      "founded a cluster",
    );
    return member;
  }

  private propose(peers: readonly PeerHello[]): Founding {
    const { seeds, random, storage, brokerId, peerAddress, certifiedClusterId } = this.options;
    const count = seeds.length >= VOTERS_LARGE ? VOTERS_LARGE : VOTERS_SMALL;
    const self = { brokerId, directoryId: storage.identity.directoryId };
    const others = [...peers].sort((left, right) => left.brokerId - right.brokerId);
    const voters = [self, ...others].slice(0, count).map((voter, at) => ({
      brokerId: voter.brokerId,
      directoryId: voter.directoryId,
      replicaId: at + 1,
      peerAddress: at === 0 ? peerAddress : "",
    }));
    return { clusterId: certifiedClusterId ?? randomUuid(random), seedList: seeds.join(","), voters };
  }

  private async askPromise(to: BrokerId, founding: Founding): Promise<HeardPromise | null> {
    try {
      const answer = await this.options.hub.call(to, PeerMethod.promise, encodeJson(founding), {
        timeoutMs: CALL_MS,
      });
      return decodeJson(answer, "a promise", readPromiseAnswer);
    } catch (error) {
      this.options.logger.debug({ err: error, to }, "a seed did not answer");
      return null;
    }
  }

  private async answerPromise(payload: Uint8Array): Promise<Uint8Array> {
    const founding = decodeJson(payload, "a founding", readFounding);
    const reason = this.refusal(founding);
    if (reason === "" && this.note === null) await this.write({ kind: "promised", founding });
    const answer: PromiseAnswer = {
      ok: reason === "",
      directoryId: this.options.storage.identity.directoryId,
      brokerId: this.options.brokerId,
      note: this.note,
      reason,
    };
    return encodeJson(answer);
  }

  private refusal(founding: Founding): string {
    const own = this.options.seeds.join(",");
    const { clusterId } = this.options.storage.identity;
    if (clusterId !== null && clusterId !== founding.clusterId) return `this broker belongs to cluster ${clusterId}`;
    if (this.note?.kind === "promised" && !isSameFounding(this.note.founding, founding)) {
      return `this broker has promised cluster ${this.note.founding.clusterId} to another founder`;
    }
    if (this.note?.kind === "joined") return `this broker has joined cluster ${this.note.clusterId}`;
    if (founding.seedList !== own)
      return `seed lists differ: the founder has ${founding.seedList}, this broker has ${own}`;
    return "";
  }

  /** Durably a member; the peers hear it at once, so that those who promised follow. */
  private async adopt(clusterId: string): Promise<void> {
    await this.options.storage.adopt(clusterId, this.options.brokerId);
    this.options.hub.announce();
  }

  /** One write at a time; the note in memory follows the durable one (N1). */
  private write(note: FoundingNote): Promise<void> {
    const written = this.writing.then(async () => {
      if (this.note !== null && !replaces(note, this.note)) return;
      await this.options.storage.setNote(encodeNote(note));
      this.note = note;
    });
    // The next write is a try of its own: a full disk may have room for it.
    this.writing = written.catch(() => undefined);
    return written;
  }
}

/** A membership takes the place of a promise, and another replica of the same cluster that of a lost one (N1). */
function replaces(note: FoundingNote, known: FoundingNote): boolean {
  if (note.kind === "promised") return false;
  return known.kind === "promised" || (known.clusterId === note.clusterId && known.replicaId !== note.replicaId);
}

/** What the controller's leader answers to a join. */
export interface JoinAnswer {
  /** Of the controller's group; 0: not yet, ask again. */
  readonly replicaId: number;
  readonly voters: readonly FoundingVoter[];
  /** Why this directory may never join; absent when it may. */
  readonly refused?: string;
}

/** A certificate fixes the cluster's id, so that two foundings may have the same: what they consist of tells them apart. */
function isSameFounding(left: Founding, right: Founding): boolean {
  const key = ({ clusterId, seedList, voters }: Founding): string =>
    JSON.stringify([
      clusterId,
      seedList,
      voters.map(({ brokerId, directoryId, replicaId }) => [brokerId, directoryId, replicaId]),
    ]);
  return key(left) === key(right);
}

function memberOf(note: FoundingNote, directoryId: string): Member | null {
  if (note.kind === "joined") return { clusterId: note.clusterId, replicaId: note.replicaId, voters: note.voters };
  const own = note.founding.voters.find((voter) => voter.directoryId === directoryId);
  if (own === undefined) return null;
  return { clusterId: note.founding.clusterId, replicaId: own.replicaId, voters: note.founding.voters };
}
