/** A virtual fleet with an upstream that keeps count. */
import type { OpenOptions } from "../../../src/options.ts";
import { VirtualCluster, type VirtualClusterOptions } from "../../../src/testing/virtual-cluster.ts";
import { CountingUpstream } from "./counting-upstream.ts";

/** Hosts that share one upstream, know each other, and are ready. */
export function fleet(hosts: number, loading: OpenOptions["loading"] = {}, more: VirtualClusterOptions = {}) {
  const upstream = new CountingUpstream();
  const cluster = new VirtualCluster({
    ...more,
    options: { upstream, loading: { ttlJitter: 0, ...loading }, ...more.options },
  });
  for (let i = 0; i < hosts; i++) cluster.add();
  cluster.settle();
  // Heartbeats have gone round: everybody knows who is ready and serves.
  cluster.run("3s");
  const kvs = cluster.hosts;
  const counts = () => kvs.map((kv) => kv.status().loader!);
  const sum = (name: "remote" | "coalesced" | "negative") =>
    counts().reduce((total, each) => total + each[name], 0);
  /** The host that holds the load under way. */
  const owner = () => kvs.findIndex((kv) => kv.status().loader!.upstreamLoads > 0);
  return { upstream, cluster, kvs, counts, sum, owner };
}
