/** A link does what its mode says, in order. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Link, OPEN } from "../../chaos/link.ts";

let link: Link;
let near: Socket;
let end: () => void;
let echoed = "";

beforeEach(async () => {
  const echo = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  link = await Link.to((echo.address() as { port: number }).port);
  echoed = "";
  near = connect(link.port, "127.0.0.1");
  near.on("error", () => undefined);
  near.setEncoding("utf8").on("data", (text) => {
    echoed += text;
  });
  await once(near, "connect");
  end = () => void echo.close();
});

afterEach(async () => {
  near.destroy();
  await link.close();
  end();
});

async function heard(text: string): Promise<void> {
  while (echoed !== text) await once(near, "data");
}

describe("a link", () => {
  it("passes on both ways", async () => {
    near.write("one ");
    near.write("two");
    await heard("one two");
  });

  it.each(["forth", "back", "both"] as const)(
    "keeps back what falls into a hole (%s), in order",
    async (way) => {
      near.write("before");
      await heard("before");
      link.set({ kind: "hole", way });
      near.write(" in");
      // Absence has no event to wait for; too short a wait could only hide a failure.
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(echoed).toBe("before");
      near.write(" and in");
      link.set(OPEN);
      await heard("before in and in");
    },
  );

  it("delays", async () => {
    link.set({ kind: "delay", ms: 60 });
    const startedAt = performance.now();
    near.write("slow");
    await heard("slow");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(115);
  });

  it("that is cut ends what there was and takes nothing new until it is open", async () => {
    const closed = once(near, "close");
    link.set({ kind: "cut" });
    await closed;
    const refused = connect(link.port, "127.0.0.1");
    refused.on("error", () => undefined);
    await once(refused, "close");
    link.set(OPEN);
    const taken = connect(link.port, "127.0.0.1");
    taken.write("again");
    expect(String((await once(taken, "data"))[0])).toBe("again");
    taken.destroy();
  });
});
