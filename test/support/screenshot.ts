/**
 * Takes the picture of `docs/HTTP.md`: the status page in both themes, on a host that has joined two others while they
 * were written to. Takes a minute; run it with `npm run docs:screenshot`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "redis";
import { startNatsServer } from "../../src/nats-server/nats-server.ts";
import { serveHttp } from "../../src/providers/http/http.ts";
import { serveResp } from "../../src/providers/resp/resp.ts";
import { Random } from "../../src/testing/random.ts";
import { open, type Tidemark } from "../../src/tidemark.ts";
import { startBrowser } from "./browser.ts";

const FILE = fileURLToPath(new URL("../../docs/status-page.png", import.meta.url));
const SIZE = { width: 1160, height: 860 };
const SHOWN_MS = 62_000;
const STEP_MS = 20;

const closing: (() => Promise<unknown>)[] = [];
const random = new Random(7);
const key = () => `product.${Math.floor(random.magnitude(1, 20_000))}`;

async function takePicture(): Promise<void> {
  const nats = await startNatsServer({ say: (line) => console.log(line) });
  closing.push(async () => nats[Symbol.asyncDispose]());
  const browser = await startBrowser();
  if (browser === undefined) throw new Error("Chromium is not installed (Debian: apt-get install chromium)");
  closing.push(() => browser.close());
  const join = async (node: string): Promise<Tidemark> => {
    const kv = await open({ nats: nats.url, namespace: "shop", node });
    closing.push(() => kv.close());
    await kv.ready();
    return kv;
  };

  const [lisbon, oslo] = [await join("lisbon"), await join("oslo")];
  for (let written = 0; written < 6_000; written++) lisbon.set(key(), `price ${written}`);
  await lisbon.replicated({ hosts: 1 });
  // Its doors open before it has caught up, as those of a host process do, so that the page tells of that.
  const berlin = await open({ nats: nats.url, namespace: "shop", node: "berlin" });
  closing.push(() => berlin.close());
  const resp = await serveResp({ kv: berlin, port: 0 });
  closing.push(() => resp.close());
  const http = await serveHttp({ kv: berlin, port: 0, redis: () => resp.status() });
  closing.push(() => http.close());
  await berlin.ready();

  const client = await createClient({ url: resp.address.url }).connect();
  closing.push(() => client.close());
  const themes = ["light", "dark"] as const;
  const pages = await Promise.all(
    themes.map((colorScheme) => browser.newPage({ colorScheme, viewport: SIZE })),
  );
  await Promise.all(pages.map((page) => page.goto(http.address.url)));
  const until = performance.now() + SHOWN_MS;
  for (let step = 0; performance.now() < until; step++) {
    const tide = 1 + Math.sin(step / 250) + 0.4 * Math.sin(step / 37);
    for (let more = random.between(0, 6 * tide); more >= 1; more--) lisbon.set(key(), `price ${step}`);
    if (step % 3 === 0) oslo.increment("visits");
    for (let more = random.between(0, 5); more >= 1; more--) await client.get(key());
    if (step % 2 === 0) await client.set(key(), "sold");
    await delay(STEP_MS);
  }
  // Writes rest for a moment, as they do in life, so that the digests can be seen to agree.
  await Promise.all([berlin, lisbon, oslo].map((kv) => kv.replicated({ hosts: 2 })));
  await delay(2_500);
  const pictures = await Promise.all(pages.map((page) => page.screenshot()));

  const both = await browser.newPage({ viewport: { width: 1_400, height: 519 } });
  const images = pictures.map((png) => `<img src="data:image/png;base64,${png.toString("base64")}">`);
  const style = "body{margin:0;display:flex}img{width:50%;height:auto;display:block}";
  await both.setContent(`<style>${style}</style>${images.join("")}`);
  await both.screenshot({ path: FILE });
}

try {
  await takePicture();
} finally {
  for (const close of closing.reverse()) await close();
}
