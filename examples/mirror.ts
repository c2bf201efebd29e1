/** A NATS KV bucket in memory: reads without a round trip, as far as the bucket's last change that arrived. */
import { connect } from "nats";
import { mirror } from "tidemark/upstream/jetstream-kv";

const connection = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });
const bucket = await connection.jetstream().views.kv("settings");
await bucket.put("theme", "dark");

const settings = await mirror({ connection, bucket: "settings" });
console.log("theme:", settings.get("theme"));

const revision = await bucket.put("theme", "light");
await settings.reached(revision);
console.log("theme:", settings.get("theme"));

await settings.close();
await connection.close();
