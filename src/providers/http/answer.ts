/** What is answered, and how it is sent: whole, never cached, and errors with a code to branch on. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Why a request is not answered as it wished; part of the public contract, as `code` in the body. */
export type RefusalCode =
  | "BAD_REQUEST"
  | "BODY_REFUSED"
  | "HEADERS_TOO_LARGE"
  | "INTERNAL"
  | "METHOD_NOT_ALLOWED"
  | "MISSING_PACKAGE"
  | "NOT_FOUND"
  | "TIMEOUT"
  | "TOO_MANY_REQUESTS"
  | "TOO_MANY_STREAMS"
  | "UNAUTHORIZED";

const JSON_TYPE = "application/json; charset=utf-8";

export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(body, asText, 2)}\n`, headers };
}

/** `error` is a sentence that says what to do. */
export function refusal(
  status: number,
  code: RefusalCode,
  error: string,
  headers: Answer["headers"] = {},
): Answer {
  return json(status, { code, error }, headers);
}

export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, headersOf(answer));
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

/** A whole response for a socket whose bytes were no request, after which it is closed. */
export function lastWords(answer: Answer, phrase: string): string {
  const lines = Object.entries({ ...headersOf(answer), connection: "close" });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${answer.status} ${phrase}\r\n${head}\r\n${answer.body}`;
}

function headersOf({ type, body, headers }: Answer): Record<string, string | number> {
  return {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  };
}

/** JSON has no bigint, and a number would lose digits. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
