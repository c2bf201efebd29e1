/** Many clients that each ask once and then say nothing. */
import { createConnection } from "node:net";
import { serveRole } from "../rig/processes.js";

const ASKED_AT_ONCE = 100;

serveRole({
  open: async ({ port, count }) => {
    for (let open = 0; open < count; open += ASKED_AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, count - open) }, () => ask(port)));
    }
  },
});

function ask(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("error", reject);
    socket.once("data", resolve);
    socket.once("connect", () => socket.write("GET nothing\r\n"));
  });
}
