/**
 * failed-sync-ends.ts: a process of which a sync has failed ends: nobody knows what the disk has of the bytes, and a second sync would not tell.
 *
 * Source: Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020; fault 14 of ../../README.md.
 */
import { hold } from "../violation.js";

/** It may take this many looks, a second apart, until it has ended. */
const LOOKS_MAX = 2;

export class FailedSyncEnds {
  private readonly name: string;
  private readonly failedBefore: number;
  private looks = 0;

  /** @param failedBefore syncs of its disk that had failed before the process began. */
  constructor(name: string, failedBefore: number) {
    this.name = name;
    this.failedBefore = failedBefore;
  }

  /** Called once a second. */
  check(failedSyncs: number): void {
    if (failedSyncs > this.failedBefore) this.looks++;
    hold("failed-sync", this.looks <= LOOKS_MAX, () => `a sync of ${this.name} has failed, and its process runs on`);
  }
}
