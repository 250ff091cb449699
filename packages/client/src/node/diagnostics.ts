/** diagnostics.ts: node:diagnostics_channel behind the Diagnostics port. */
import { type Channel, channel } from "node:diagnostics_channel";
import type { Diagnostics, DiagnosticsChannel } from "../ports.js";

const channels = new Map<DiagnosticsChannel, Channel>();

function named(name: DiagnosticsChannel): Channel {
  let found = channels.get(name);
  if (found === undefined) {
    found = channel(name);
    channels.set(name, found);
  }
  return found;
}

export const nodeDiagnostics: Diagnostics = {
  hasSubscribers: (name) => named(name).hasSubscribers,
  publish: (name, message) => named(name).publish(message),
};
