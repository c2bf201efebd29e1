/** What a host, its protocol or the way to it met with, as the errors of the product: a code, and what to do. */
import { type ErrorCode, TidemarkError } from "../../errors.ts";
import type { RespTarget } from "./resp-target.ts";

/** First words of answers that are, or stand for, codes of ours. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  WRONGTYPE: "WRONG_TYPE",
  OOM: "STORE_FULL",
  BACKPRESSURE: "BACKPRESSURE",
  CLOSED: "CLOSED",
  EVICTED: "EVICTED",
  FENCED: "FENCED",
  TIMEOUT: "TIMEOUT",
};

/** The error for an answer that was one. */
export function failureOfReply(text: string, { url, user }: RespTarget): TidemarkError {
  const end = text.indexOf(" ");
  const [word, rest] = end < 0 ? [text, text] : [text.slice(0, end), text.slice(end + 1)];
  const fail = (code: ErrorCode, sentence: string) => new TidemarkError(code, sentence);
  if (word === "NOAUTH")
    return fail("NOT_ALLOWED", `${url} wants a password: set TIDEMARK_PASSWORD, or give --password`);
  if (word === "WRONGPASS")
    return fail(
      "NOT_ALLOWED",
      `${url} does not know that password for ${user ?? "the default user"}; check --user and --password`,
    );
  if (word === "NOPERM")
    return fail("NOT_ALLOWED", `${url} answers: ${rest}; log in as another user with --user`);
  if (word === "LOADING")
    return fail("NOT_READY", `${url} is catching up with the other hosts; try again in a moment`);
  if (/called without any password configured/.test(rest))
    return fail("NOT_ALLOWED", `${url} has no password set; leave out --password (and TIDEMARK_PASSWORD)`);
  if (/^max number of clients/.test(rest))
    return fail("CONNECT_FAILED", `${url} has as many clients as it takes; try again later`);
  if (/^unknown command/.test(rest))
    return fail("REFUSED", `${url} does not know what was asked for; is it a host of this version?`);
  const code = CODES[word];
  return code === undefined
    ? fail("REFUSED", `${url} answers: ${text}`)
    : fail(code, `${url} answers: ${rest}`);
}

/** The error for a connection that was not to be had, or that was lost. */
export function failureOfConnection(error: unknown, target: RespTarget): TidemarkError {
  const cause = error as NodeJS.ErrnoException;
  if (error instanceof TidemarkError) return error;
  if (/timed? ?out/i.test(`${cause.message} ${cause.code}`)) {
    const sentence = `${target.url} did not answer within ${target.timeoutMs} ms; is it stopped? --timeout waits longer`;
    return new TidemarkError("TIMEOUT", sentence, { cause });
  }
  return new TidemarkError("CONNECT_FAILED", `${target.url} ${whyNot(cause, target)}`, { cause });
}

function whyNot({ code = "", message }: NodeJS.ErrnoException, { tls }: RespTarget): string {
  if (code === "ECONNREFUSED")
    return "is not there: start a host with `tidemark serve`, or name another with --url";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "is not a name that has an address; check --url";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER")
    return "does not speak TLS; write redis:// instead of rediss://";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `has a certificate of another name: ${message}`;
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return `has a certificate that is not trusted (${code}); name its CA with --resp-ca`;
  if (/^ERR_(SSL|OSSL)/.test(code))
    return `and this program do not agree on TLS: ${code}; does it want --resp-cert and --resp-key?`;
  if (/RESP type|Protocol error/.test(message))
    return "does not speak the Redis protocol; check the port in --url";
  if (/closed/i.test(message))
    return `closed the connection${tls ? "" : "; if it serves TLS, write rediss://"}`;
  return `cannot be reached: ${message}`;
}
