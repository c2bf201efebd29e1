/** An HTTP server in front of PostgreSQL: each user is read from the database once, whoever asks. */
import { createServer } from "node:http";
import { open } from "tidemark";
import { postgres } from "tidemark/upstream/postgres";

const kv = await open({
  ...(process.env.NATS_URL === undefined ? {} : { nats: process.env.NATS_URL }),
  namespace: "users",
  upstream: postgres({
    connection: process.env.POSTGRES_URL ?? "postgres://localhost/app",
    statements: { load: "SELECT doc::text AS value FROM users WHERE id = $1" },
  }),
  loading: { ttl: "1m", staleWhileRevalidate: "10s", staleIfError: "1h", negativeTtl: "5s" },
});
await kv.ready();

const server = createServer(async (request, response) => {
  try {
    const user = await kv.getOrLoad(decodeURIComponent(request.url!.slice(1)));
    response.writeHead(user === undefined ? 404 : 200, { "content-type": "application/json" }).end(user);
  } catch (error) {
    response.writeHead(503).end(String(error));
  }
});
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  console.log(`http://127.0.0.1:${port}/<user>`);
});
process.once("SIGTERM", async () => {
  server.close();
  await kv.close();
});
