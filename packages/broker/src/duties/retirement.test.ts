/** retirement.test.ts: what brokers tell one that is a member no more, and what it makes of it. */
import type { BrokerId, DirectoryId } from "@varve/base";
import { silentLogger } from "@varve/base";
import type { ControllerState } from "@varve/cluster";
import { expect, test } from "vitest";
import { PeerKind } from "../peer-kinds.js";
import { Retirement } from "./retirement.js";

/** What is known of brokers, and the brokers that are connected, by their directories. */
interface Known {
  readonly leaving?: readonly BrokerId[];
  readonly seats?: readonly { readonly brokerId: BrokerId; readonly leaving: boolean }[];
  readonly retired?: readonly string[];
  readonly connected?: ReadonlyMap<BrokerId, string>;
}

function broker(brokerId: BrokerId, { leaving = [], seats = [], retired = [], connected = new Map() }: Known) {
  const sent: { readonly to: BrokerId; readonly kind: number }[] = [];
  const warnings: string[] = [];
  const state = {
    broker: (id: BrokerId) => ({ leaving: leaving.includes(id) }),
    mayLead: (id: BrokerId) => !leaving.includes(id),
    controllerReplicas: seats,
    isRetired: (directoryId: DirectoryId) => retired.includes(directoryId),
  } as unknown as ControllerState;
  const retirement = new Retirement({
    brokerId,
    logger: { ...silentLogger, warn: (_fields, message) => warnings.push(message) },
    hub: {
      connected: () =>
        [...connected].map(([id, directoryId]) => ({
          brokerId: id,
          directoryId,
          clusterId: null,
          bootId: "",
          protocolMin: 1,
          protocolMax: 1,
        })),
      send: (to, _lane, kind) => {
        sent.push({ to, kind });
        return true;
      },
    },
    state: () => state,
  });
  return { retirement, sent, warnings };
}

test("a broker tells those connected whose directory is retired, and nobody else", () => {
  const connected = new Map([
    [2, "kept"],
    [3, "gone"],
  ]);
  const { retirement, sent } = broker(1, { retired: ["gone"], connected });
  retirement.tellOthers();
  expect(sent).toEqual([{ to: 3, kind: PeerKind.retired }]);
});

test("a replaced broker's new directory is told nothing", () => {
  const { retirement, sent } = broker(1, { retired: ["old"], connected: new Map([[3, "new"]]) });
  retirement.tellOthers();
  expect(sent).toEqual([]);
});

test("a broker that never heard it was to go is out once it is told, says so once, and tells others nothing more", () => {
  const { retirement, sent, warnings } = broker(3, { retired: ["gone"], connected: new Map([[2, "gone"]]) });
  expect(retirement.isOver).toBe(false);
  retirement.heard(1);
  retirement.heard(2);
  expect(retirement.isOver).toBe(true);
  expect(warnings).toEqual([expect.stringContaining("no member")]);
  retirement.tellOthers();
  expect(sent).toEqual([]);
});

test("a broker that is to go is out when it has left the controller's group, or leaves it", () => {
  const stays = { brokerId: 3, leaving: false };
  expect(broker(3, { leaving: [3], seats: [stays] }).retirement.isOver).toBe(false);
  expect(broker(3, { leaving: [3], seats: [stays] }).retirement.isBegun).toBe(true);
  expect(broker(3, { leaving: [3], seats: [{ ...stays, leaving: true }] }).retirement.isOver).toBe(true);
  expect(broker(3, { leaving: [3], seats: [{ brokerId: 1, leaving: false }] }).retirement.isOver).toBe(true);
  expect(broker(3, { leaving: [2] }).retirement.isOver).toBe(false);
});
