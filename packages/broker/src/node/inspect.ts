/** inspect.ts: looks into a data directory of this machine, also one that a broker is running on. */
import { type DataDirReport, inspectDataDir as inspect } from "@varve/storage";
import { nodeDisk } from "@varve/storage/node";
import { nativeCodec } from "./codec.js";

/** Reads everything and changes nothing; see the storage package. */
export function inspectDataDir(dataDir: string): Promise<DataDirReport> {
  return inspect(dataDir, nodeDisk, nativeCodec);
}
