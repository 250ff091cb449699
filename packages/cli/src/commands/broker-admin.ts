/** broker-admin.ts: `varve broker decommission | drain | replace`: what a cluster is told about one of its brokers. */
import { INT31_MAX, VarveError } from "@varve/base";
import type { Command } from "commander";
import { globalOptions } from "../shell/global-options.js";
import { integerIn } from "../shell/parsers.js";
import { type ClusterClient, type GlobalOptions, printResult, type Shell, withCluster } from "../shell/shell.js";
import { describeMoves, waitForMoves } from "./moves.js";

/** Half a second each. */
const LOOKS_WITHOUT_CHANGE_MAX = 60;
/** Partitions that an error names, and topics in which they are looked for. */
const NAMED_MAX = 5;
const TOPICS_MAX = 100;

interface DecommissionOptions {
  readonly cancel: boolean;
  readonly progress: boolean;
}

interface DrainOptions {
  readonly undo: boolean;
  readonly progress: boolean;
}

export function registerBrokerAdmin(broker: Command, shell: Shell): void {
  const id = integerIn(1, INT31_MAX);
  broker
    .command("decommission")
    .description(
      "Moves all replicas of a broker to the others and then removes it from the cluster for good: its process may be stopped and its directory deleted. The cluster finishes it whoever crashes; the same command shows again how far it is.",
    )
    .argument("<broker>", "its id", id)
    .option("--progress", "wait until it is gone and show how far it is", false)
    .option("--cancel", "let it stay after all; what has moved stays where it is", false)
    .addHelpText(
      "after",
      "\nExamples:\n  varve broker decommission 3 --progress\n  varve broker decommission 3 --cancel\n",
    )
    .action((number: number, options: DecommissionOptions, command: Command) =>
      decommission(shell, globalOptions(command, shell.env), number, options),
    );
  broker
    .command("drain")
    .description(
      "Moves the leaderships of a broker to others before planned work on it; its replicas stay and follow. Ends with --undo or with its next start.",
    )
    .argument("<broker>", "its id", id)
    .option("--progress", "wait until it leads nothing that others hold, too", false)
    .option("--undo", "let it lead again", false)
    .addHelpText("after", "\nExamples:\n  varve broker drain 2 --progress\n  varve broker drain 2 --undo\n")
    .action((number: number, options: DrainOptions, command: Command) =>
      drain(shell, globalOptions(command, shell.env), number, options),
    );
  broker
    .command("replace")
    .description(
      "Says that the data of a broker which is down is gone for ever. Its directory is never accepted again; start the broker on an empty one, and its replicas are made anew from the others.",
    )
    .argument("<broker>", "its id", id)
    .addHelpText("after", "\nExample:\n  varve broker replace 2\n")
    .action(async (number: number, _: object, command: Command) => {
      const global = globalOptions(command, shell.env);
      await withCluster(shell, global, ({ admin }) => admin.replaceBroker({ broker: number }));
      printResult(
        shell,
        global.json,
        { broker: number, replaced: true },
        () => `broker ${number} may come back with an empty directory\n`,
      );
    });
}

async function decommission(
  shell: Shell,
  global: GlobalOptions,
  broker: number,
  { cancel, progress }: DecommissionOptions,
): Promise<void> {
  const gone = await withCluster(shell, global, async (client) => {
    await client.admin.decommissionBroker({ broker, cancel });
    if (cancel || !progress) return false;
    await waitForMoves(shell, global.json, client, (connected) => leftOf(connected, broker));
    return (await leftOf(client, broker)) === null;
  });
  const state = cancel ? "stays" : gone ? "gone" : "leaving";
  const text = { stays: "stays", gone: "has left the cluster", leaving: "is leaving; --progress shows how far it is" };
  printResult(shell, global.json, { broker, state }, () => `broker ${broker} ${text[state]}\n`);
}

/** What keeps a broker in the cluster, in words; null: it is no member any more. */
async function leftOf({ admin }: ClusterClient, broker: number): Promise<string | null> {
  const { brokers } = await admin.describeCluster();
  const known = brokers.find(({ id }) => id === broker);
  if (known === undefined) return null;
  if (known.replicas === 0) return `broker ${broker} holds no partition any more and leaves the controller's group`;
  const moves = (await admin.listMoves()).filter(({ leaving }) => leaving.includes(broker));
  return `broker ${broker} holds ${known.replicas} replicas: ${describeMoves(moves)}`;
}

async function drain(
  shell: Shell,
  global: GlobalOptions,
  broker: number,
  { undo, progress }: DrainOptions,
): Promise<void> {
  let alone = 0;
  let others: number | null = null;
  await withCluster(shell, global, async (client) => {
    await client.admin.drainBroker({ broker, undo });
    if (undo || !progress) return;
    let same = { leads: -1, looks: 0 };
    await waitForMoves(shell, global.json, client, async ({ admin }) => {
      const known = (await admin.describeCluster()).brokers.find(({ id }) => id === broker);
      alone = known?.leadsAlone ?? 0;
      const leads = (known?.leads ?? 0) - alone;
      others = leads;
      same = same.leads === leads ? { leads, looks: same.looks + 1 } : { leads, looks: 0 };
      if (leads === 0) return null;
      if (same.looks < LOOKS_WITHOUT_CHANGE_MAX) return `broker ${broker} still leads ${partitions(leads)}`;
      throw stuck(broker, leads, await ledWithOthers(client, broker));
    });
  });
  const left = alone === 0 ? "nothing" : `nothing but ${partitions(alone)} without another replica`;
  // Anything but 0: somebody ended the wait.
  const still = others === null ? "may still lead partitions" : `still leads ${partitions(others)}`;
  const state = others === 0 ? `leads ${left}` : `is drained and ${still}`;
  printResult(
    shell,
    global.json,
    { broker, drained: !undo, ...(progress && !undo ? { leadsAlone: alone } : {}) },
    () =>
      undo
        ? `broker ${broker} may lead again\n`
        : `broker ${broker} ${progress ? state : "gives its leaderships away"}\n`,
  );
}

/** The wait has failed, not the drain: nothing is left to do again. */
function stuck(broker: number, leads: number, names: readonly string[]): VarveError {
  const named = names.length === 0 ? "" : ` (${names.join(", ")}${names.length < leads ? ", ..." : ""})`;
  return new VarveError("TIMEOUT", {
    message: `broker ${broker} is drained and still leads ${partitions(leads)}${named}: no other replica of them is there and up to date; it hands them over when one is`,
    details: { broker, drained: true, leads },
    effect: "NONE",
  });
}

/** Some of the partitions that a broker leads and others could. */
async function ledWithOthers({ admin }: ClusterClient, broker: number): Promise<string[]> {
  const names: string[] = [];
  for (const { topic, replicas } of (await admin.listTopics()).slice(0, TOPICS_MAX)) {
    if (replicas === 1) continue;
    const found = await admin.describeTopic(topic).catch(() => null);
    for (const { partition, leader } of found?.partitions ?? [])
      if (leader === broker) names.push(`${topic}/${partition}`);
    if (names.length >= NAMED_MAX) break;
  }
  return names.slice(0, NAMED_MAX);
}

function partitions(count: number): string {
  return count === 1 ? "1 partition" : `${count} partitions`;
}
