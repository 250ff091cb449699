/** index.ts: a Varve cluster inside a test's own process. */
export {
  type Authority,
  type CertificateRequest,
  createAuthority,
  type IssuedCertificate,
  openAuthority,
} from "./certificates.js";
export { startCluster } from "./start-cluster.js";
export type { ClientSide, PartitionOptions, StartClusterOptions, TestCluster } from "./test-cluster.js";
