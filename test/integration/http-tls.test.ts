/** HTTP of the built program with TLS and a token, and a certificate that changes. Needs `npm run build`. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Certificate, certify } from "../support/certificate.ts";
import { endWhatRuns, Served } from "./support/program.ts";

endWhatRuns();
const folder = mkdtempSync(join(tmpdir(), "tidemark-https-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);

const TOKEN = "0123456789abcdef";

function ask(url: string, ca: string, authorization = `Bearer ${TOKEN}`): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false, headers: { authorization } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    }).on("error", reject);
  });
}

describe("serve with --http-cert and --http-token-file", () => {
  it("serves HTTPS, and another certificate after SIGHUP", async () => {
    const [first, second] = await Promise.all([certify(folder, "first"), certify(folder, "second")]);
    const use = ({ certFile, keyFile }: Certificate) => {
      copyFileSync(certFile, file("used.pem"));
      copyFileSync(keyFile, file("used.key"));
    };
    use(first);
    writeFileSync(file("token"), `${TOKEN}\n`);
    const tls = ["--http-cert", file("used.pem"), "--http-key", file("used.key")];
    const served = new Served(["--resp", "off", "--http", "0", ...tls, "--http-token-file", file("token")]);
    const url = `${await served.listening()}/status`;
    await served.next("ready");
    expect(url).toMatch(/^https:/);
    expect(await ask(url, first.cert)).toBe(200);
    expect(await ask(url, first.cert, "Bearer wrong")).toBe(401);

    use(second);
    served.child.kill("SIGHUP");
    expect(await served.next("renewed")).toMatchObject({ door: "http" });
    expect(await ask(url, second.cert)).toBe(200);

    writeFileSync(file("used.pem"), "nonsense");
    served.child.kill("SIGHUP");
    expect(await served.next("notRenewed")).toMatchObject({ door: "http", reason: expect.any(String) });
    expect(await ask(url, second.cert)).toBe(200);
  });
});
