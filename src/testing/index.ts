/** `tidemark/testing`: a simulated cluster for the tests of what is built on Tidemark. */
export type { LinkFaults } from "../transport/memory-links.ts";
export { type Cluster, type ClusterOptions, type HostName, startCluster } from "./cluster.ts";
