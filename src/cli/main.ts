#!/usr/bin/env node
/** The program `tidemark`. What it can do stands in `program.ts`. */
import { run } from "./program.ts";

// Whoever reads our output may stop early, as `head` does; there is nobody left to tell then.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

// The socket of a NATS client may linger; the program has ended when its command has.
process.exit(await run(process.argv.slice(2), process.env));
