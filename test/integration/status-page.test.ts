/** The status page in a real browser, on hosts that are processes, on a real nats-server. Needs `npm run build`. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { missing } from "../drivers/missing.ts";
import { startBrowser } from "../support/browser.ts";
import { brightness, contrast } from "../support/contrast.ts";
import { natsServerForTests } from "./support/nats.ts";
import { endWhatRuns, Served } from "./support/program.ts";

const nats = await natsServerForTests();
const browser = await startBrowser();
if (browser === undefined) missing("Chromium is not installed (Debian: apt-get install chromium)");

endWhatRuns("with the file");
const folder = mkdtempSync(join(tmpdir(), "tidemark-page-"));
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

const SEEN_TEXT = readFileSync(new URL("../support/seen-text.js", import.meta.url), "utf8");

interface Colours {
  readonly text: string;
  readonly ink: string;
  readonly paper: string;
}

interface Host {
  readonly served: Served;
  readonly resp: string;
  readonly http: string;
}

async function host(name: string, ...args: string[]): Promise<Host> {
  const fleet = ["--nats", nats!.url, "--namespace", "page", "--node", name];
  const served = new Served([...fleet, "--resp", "0", "--http", "0", ...args]);
  const [resp, http] = [await served.listening(), await served.listening()];
  await served.next("ready");
  return { served, resp, http };
}

/** What the browser complained of: errors of the script, and whatever the policy of the page forbade. */
const complaints: string[] = [];
const asked = new Set<string>();

async function visit(url: string, colorScheme: "light" | "dark" = "light"): Promise<Page> {
  const page = await browser!.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (said) => {
    // That a host is gone, or wants a token, the browser says by itself; both are provoked here.
    if (said.type() !== "error" || /ERR_|401/.test(said.text())) return;
    complaints.push(said.text());
  });
  page.on("request", (request) => asked.add(new URL(request.url()).pathname));
  await page.goto(url);
  return page;
}

const tile = (page: Page, title: string) =>
  page.locator(".tile", { has: page.getByRole("heading", { name: title, exact: true }) });
const row = (page: Page, name: string) =>
  page.locator("#hosts tr", { has: page.locator("th", { hasText: name }) });

describe.skipIf(nats === undefined || browser === undefined)("the status page", () => {
  let berlin: Host;
  let lisbon: Host;
  beforeAll(async () => {
    [berlin, lisbon] = await Promise.all([host("berlin"), host("lisbon")]);
  });
  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });

  it("shows on one host what is written on another", async () => {
    const page = await visit(lisbon.http);
    await page.locator("#verdict", { hasText: "All 2 hosts hold the same data." }).waitFor();
    expect(await page.getByRole("status").textContent()).toMatch(/^All 2 hosts/);
    await tile(page, "Keys").locator(".value", { hasText: /^0$/ }).waitFor();
    const client = await createClient({ url: berlin.resp }).connect();
    await client.set("greeting", "hello");
    await client.close();
    await tile(page, "Keys").locator(".value", { hasText: /^1$/ }).waitFor();
    await tile(page, "Applied from others").locator(".detail", { hasText: "1 event" }).waitFor();
    // Its own mark comes with its next heartbeat.
    await row(page, "berlin").locator("td:nth-of-type(4)", { hasText: /^1$/ }).waitFor();
    expect(await row(page, "berlin").locator("td").allTextContents()).toEqual([
      expect.stringContaining("ready"),
      "level",
      expect.stringContaining("same"),
      "1",
      "1",
      "0",
      "1",
      expect.stringMatching(/^\d\.\d s ago$/),
      "in step",
      "0",
    ]);
    expect(await row(page, "lisbon").textContent()).toContain("this host");
    expect([...asked].sort()).toEqual(["/", "/events"]);
    await page.close();
  });

  it.each(["light", "dark"] as const)("can be read when it is %s", async (scheme) => {
    const page = await visit(lisbon.http, scheme);
    await page.getByRole("table").waitFor();
    const ground = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    expect(brightness(ground) > 0.5).toBe(scheme === "light");
    const contrasts = await page.evaluate<Colours[]>(SEEN_TEXT);
    expect(contrasts.length).toBeGreaterThan(50);
    const faint = contrasts.filter(({ ink, paper }) => contrast(ink, paper) < 4.5);
    expect(faint).toEqual([]);
    await page.close();
  });

  it("fits a telephone", async () => {
    const page = await visit(lisbon.http);
    await page.getByRole("table").waitFor();
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    await page.close();
  });

  it("says so when the host does not answer, and goes on when it does", async () => {
    const oslo = await host("oslo");
    const page = await visit(oslo.http);
    await page.getByRole("table").waitFor();
    oslo.served.child.kill("SIGKILL");
    await once(oslo.served.child, "exit");
    await page.locator("#link", { hasText: "trying again" }).waitFor();
    expect(await page.locator("main[data-stale]").count()).toBe(1);
    const again = await host("oslo", "--http", new URL(oslo.http).port);
    await page.locator("#link", { hasText: "live" }).waitFor();
    expect(await page.locator("main[data-stale]").count()).toBe(0);
    await page.close();
    again.served.child.kill("SIGTERM");
    await again.served.ended;
  });

  it("asks for the token where there is one", async () => {
    const file = join(folder, "token");
    writeFileSync(file, "0123456789abcdef\n");
    const guarded = await host("porto", "--http-token-file", file);
    const page = await visit(guarded.http);
    const field = page.getByLabel("Token");
    await field.fill("fedcba9876543210");
    await page.getByRole("button", { name: "Show the host" }).click();
    await page.getByRole("alert").filter({ hasText: "not the token" }).waitFor();
    expect(await page.getByRole("table").count()).toBe(0);
    await field.fill("0123456789abcdef");
    await field.press("Enter");
    await row(page, "porto").waitFor();
    expect(page.url()).toBe(`${guarded.http}/`);
    await page.reload();
    await row(page, "porto").waitFor();
    await page.close();
  });
});
