/** The page as a document; how it looks and works is tested in a browser, among the integration tests. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { serveHttp } from "../../../../src/providers/http/http.ts";
import { readPage } from "../../../../src/providers/http/page.ts";
import { open } from "../../../../src/tidemark.ts";
import { contrast } from "../../../support/contrast.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const page = await readPage();

/** What stands between the tags of an element that is there once. */
function inside(tag: string): string {
  const [, content, ...more] = page.body.split(new RegExp(`<${tag}[^>]*>|</${tag}>`));
  expect(more).toHaveLength(1);
  return content!;
}

const digestOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

describe("the page", () => {
  it("holds all it needs, and may load nothing else", () => {
    const policy = page.headers!["content-security-policy"]!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src ${digestOf(inside("script"))};`);
    expect(policy).toContain(`style-src ${digestOf(inside("style"))};`);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(page.body).not.toMatch(/\b(src|href)="(?!data:)/);
    expect(page.body).not.toMatch(/@import|url\(|\son[a-z]+=|\sstyle=/);
    expect(page.body.length).toBeLessThan(64 * 1024);
  });

  it("is one script that puts nothing in but text", () => {
    expect(inside("script")).not.toMatch(/^(import|export) /m);
    expect(inside("script")).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(/,
    );
  });

  it("has colours that can be read, in both themes, whatever it has to say", () => {
    const themes = [...inside("style").matchAll(/:root \{([^}]*)\}/g)].map(([, block]) =>
      Object.fromEntries(
        [...block!.matchAll(/--(\w+): (#\w{6});/g)].map(([, name, colour]) => [name!, colour!]),
      ),
    );
    expect(themes).toHaveLength(2);
    for (const colours of themes) {
      for (const ink of ["ink", "soft", "tide", "good", "wait", "warn", "bad"]) {
        for (const paper of ["panel", "ground"])
          expect(contrast(colours[ink]!, colours[paper]!), `${ink} on ${paper}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it("is the same for everybody, and holds nothing of a host", async () => {
    const kv = await open({ node: "very-secret-name", namespace: "hidden" });
    opened.push(kv);
    const door = await serveHttp({ kv, port: 0, token: "0123456789abcdef" });
    opened.push(door);
    const answer = await fetch(`${door.address.url}/`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("content-security-policy")).toBe(page.headers!["content-security-policy"]);
    expect(await answer.text()).toBe(page.body);
  });
});
