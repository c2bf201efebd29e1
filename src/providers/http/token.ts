/**
 * Who may look. With a token, all but the page's own frame, health and readiness take `Authorization: Bearer …`.
 * It is compared in constant time, as a digest, so that neither its content nor its length shows in how long a
 * wrong one takes.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TidemarkError } from "../../errors.ts";

/** Nothing slows somebody who guesses but the length of what is to be guessed. */
const MIN_LENGTH = 16;
const MAX_LENGTH = 512;
/** What RFC 6750 lets a bearer token be made of. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const BEARER = /^Bearer +([^ ]+) *$/i;

/** Whether a request may look. */
export type Admits = (request: IncomingMessage) => boolean;

/** Throws `INVALID_ARGUMENT` for what no client could send, or anybody guess. */
export function admits(token: string | undefined): Admits {
  if (token === undefined) return () => true;
  if (token.length < MIN_LENGTH || token.length > MAX_LENGTH || !TOKEN.test(token)) {
    throw new TidemarkError(
      "INVALID_ARGUMENT",
      `the token of the HTTP door has ${MIN_LENGTH} to ${MAX_LENGTH} characters, letters, digits and ._~+/-, ` +
        "such as `openssl rand -hex 24` prints",
    );
  }
  const digest = digestOf(token);
  return ({ headers }) => {
    const given = BEARER.exec(headers.authorization ?? "")?.[1] ?? "";
    return timingSafeEqual(digestOf(given), digest);
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
