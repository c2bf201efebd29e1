/**
 * The nats-server of an integration test file. On a laptop without one the file skips and says so; where
 * `CI=true` a missing server is a failure, since a test that never ran must not look like one that passed.
 */
import { afterAll, type TestContext } from "vitest";
import { TidemarkError } from "../../../src/errors.ts";
import { type NatsServer, type StartOptions, startNatsServer } from "../../../src/nats-server/nats-server.ts";

/** Says something on the terminal that a reporter does not swallow. */
export function say(line: string): void {
  console.warn(line);
}

/**
 * Starts the server of this test file, to be awaited at its top, and disposes of it when the file is done.
 * Undefined where there is none, for `describe.skipIf(server === undefined)`.
 */
export async function natsServerForTests(
  options: Omit<StartOptions, "say"> = {},
): Promise<NatsServer | undefined> {
  try {
    const server = await startNatsServer({ ...options, say });
    afterAll(() => server[Symbol.asyncDispose]());
    return server;
  } catch (error) {
    const none = error instanceof TidemarkError && error.code === "NATS_SERVER_NOT_FOUND";
    if (!none || process.env.CI === "true") throw error;
    say(`skipped for want of a nats-server: ${error.message}`);
    return undefined;
  }
}

/** Skips a test that has to restart the server where the server is not ours, and says so. */
export function skipUnlessRestartable(server: NatsServer, test: TestContext): void {
  if (server.restartable) return;
  say(`skipped, since the server of NATS_URL cannot be restarted: ${test.task.name}`);
  test.skip("the server of NATS_URL cannot be restarted");
}
