/** What the tests of this folder have in common with those of `integration/`. */
import type { TestContext } from "vitest";
import { TidemarkError } from "../../src/errors.ts";
import { say } from "../integration/support/nats.ts";

/** Runs a test that needs a nats-server; skips it on a laptop without one, never where `CI=true`. */
export async function withServers(test: TestContext, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const none = error instanceof TidemarkError && error.code === "NATS_SERVER_NOT_FOUND";
    if (!none || process.env.CI === "true") throw error;
    say(`skipped for want of a nats-server: ${error.message}`);
    test.skip("there is no nats-server");
  }
}
