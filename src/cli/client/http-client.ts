/** Asks a running host over HTTP. */
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { request as requestEncrypted } from "node:https";
import { TidemarkError } from "../../errors.ts";
import type { HttpTarget } from "./http-target.ts";

/** More than the status of the largest fleet. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * The JSON that a host answers a path with. Rejects `CONNECT_FAILED`, `TIMEOUT`, `NOT_ALLOWED` (the token), `REFUSED`
 * (no such path, or no JSON), `INVALID_ARGUMENT` (the file of a certificate).
 */
export async function getJson(target: HttpTarget, path: string): Promise<unknown> {
  const { status, body } = await ask(target, path).catch((error: NodeJS.ErrnoException) => {
    throw failureOf(error, target);
  });
  const { url } = target;
  if (status === 401 || status === 403)
    throw new TidemarkError(
      "NOT_ALLOWED",
      `${url} wants another token; set TIDEMARK_HTTP_TOKEN, or give --http-token`,
    );
  if (status !== 200)
    throw new TidemarkError(
      "REFUSED",
      `${url}${path} answers with ${status}; is it the HTTP address of a host?`,
    );
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TidemarkError("REFUSED", `${url}${path} answers no JSON; is it the HTTP address of a host?`, {
      cause,
    });
  }
}

async function ask(target: HttpTarget, path: string): Promise<{ status: number; body: string }> {
  const { url, token, ca, timeoutMs } = target;
  const send = url.startsWith("https:") ? requestEncrypted : request;
  const signal = AbortSignal.timeout(Math.min(timeoutMs, 2 ** 31 - 1));
  const options = {
    signal,
    agent: false as const,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca === undefined ? {} : { ca: await certificates(ca) }),
  };
  return new Promise((resolve, reject) => {
    send(new URL(path, url), options, (response) => {
      collected(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    })
      .on("error", reject)
      .end();
  });
}

async function collected(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST_BYTES) throw new Error(`the answer is larger than ${LARGEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function certificates(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new TidemarkError("INVALID_ARGUMENT", `--http-ca: ${(cause as Error).message}`, { cause });
  }
}

function failureOf(cause: NodeJS.ErrnoException, { url, timeoutMs }: HttpTarget): TidemarkError {
  if (cause instanceof TidemarkError) return cause;
  const fail = (sentence: string) => new TidemarkError("CONNECT_FAILED", `${url} ${sentence}`, { cause });
  const { code = "", message } = cause;
  if (cause.name === "TimeoutError" || cause.name === "AbortError") {
    const sentence = `${url} did not answer within ${timeoutMs} ms; is it stopped? --timeout waits longer`;
    return new TidemarkError("TIMEOUT", sentence, { cause });
  }
  if (code === "ECONNREFUSED")
    return fail("is not there: start a host with `tidemark serve`, or name another with --url");
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return fail("is not a name that has an address; check --url");
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return fail(`has a certificate that is not trusted (${code}); name its CA with --http-ca`);
  if (/SSL/.test(code)) return fail("does not speak TLS; write http:// instead of https://");
  if (code === "ECONNRESET" || /hang up/.test(message))
    return fail("closed the connection; if it serves TLS, write https://");
  if (code.startsWith("HPE_")) return fail("does not speak HTTP; check the port in --url");
  return fail(`cannot be reached: ${message}`);
}
