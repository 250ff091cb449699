/** worker.ts: one of the processes that `pool.ts` starts. */
import { serveJobs } from "./pool.js";

serveJobs();
