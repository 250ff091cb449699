/**
 * confchange-cases.ts: the commands of conf change scenarios: one configuration that changes step by step.
 */
import {
  type ChangedConfiguration,
  ConfChangeError,
  type ConfState,
  EMPTY_CONFIGURATION,
  enterJoint,
  leaveJoint,
  members,
  Progress,
  simpleChange,
} from "raft-ts";
import type { Block } from "./datadriven.js";
import { only, parseBoolean, readArguments, UnsupportedScenario } from "./expect-args.js";
import { parseChanges } from "./interaction.js";
import { renderConfiguration, renderProgress } from "./render.js";

const LIMITS = { maxInflightMessages: 10, maxInflightBytes: 0 };

/** A configuration and the progress of its members. Every command counts as one more entry of the log. */
export class ConfChangeScenario {
  private config: ConfState = EMPTY_CONFIGURATION;
  private progress = new Map<number, Progress>();
  private lastIndex = 0;

  /** Carries out one command. @throws UnsupportedScenario. */
  run(block: Block): string {
    try {
      this.enforce(this.change(block));
    } catch (error) {
      if (!(error instanceof ConfChangeError)) throw error;
      return error.message;
    } finally {
      this.lastIndex++;
    }
    const rows = members(this.config).map((id) => this.row(id));
    return [renderConfiguration(this.config), ...rows].join("\n");
  }

  private change(block: Block): ChangedConfiguration {
    const { named, words } = readArguments(block, ["autoleave"]);
    if (words.length > 0) throw new UnsupportedScenario(`unknown argument "${words.join()}"`);
    const changes = parseChanges(block.input);
    switch (block.command) {
      case "simple":
        return simpleChange(this.config, changes);
      case "enter-joint":
        return enterJoint(
          this.config,
          named.has("autoleave") && parseBoolean(only(named.get("autoleave") ?? [])),
          changes,
        );
      case "leave-joint":
        if (changes.length > 0) throw new ConfChangeError("this command takes no input");
        return leaveJoint(this.config);
      default:
        throw new UnsupportedScenario(`unknown command "${block.command}"`);
    }
  }

  private enforce({ config, dropped }: ChangedConfiguration): void {
    this.config = config;
    const before = this.progress;
    this.progress = new Map();
    for (const id of members(config)) {
      const isLearner = config.learners.includes(id);
      const known = dropped.has(id) ? undefined : before.get(id);
      const entry = known ?? new Progress(Math.max(this.lastIndex, 1), isLearner, LIMITS);
      entry.isLearner = isLearner;
      entry.recentActive = true;
      this.progress.set(id, entry);
    }
  }

  private row(id: number): string {
    const progress = this.progress.get(id);
    if (progress === undefined) throw new UnsupportedScenario(`member ${id} has no progress`);
    return renderProgress(id, progress);
  }
}
