import { open } from "tidemark";

const nats = process.env.NATS_URL ?? "nats://127.0.0.1:4222";
const one = await open({ nats, namespace: "first" });
const two = await open({ nats, namespace: "first" });
await Promise.all([one.ready(), two.ready()]);

one.set("greeting", "hello", { ttl: "10m" });
one.increment("visits");
two.increment("visits");
two.setAdd("online", "ada", "grace");
await Promise.all([one.replicated(), two.replicated()]);

console.log(two.get("greeting"), one.get("visits"), one.setMembers("online"));
console.log("same data:", one.status().digest === two.status().digest);
await Promise.all([one.close(), two.close()]);
