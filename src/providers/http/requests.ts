/** What becomes of one request: refused with a reason, answered, or given a stream. Nothing in here can throw. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, lastWords, refusal, send } from "./answer.ts";
import { ROUTES, type Route, type Sources } from "./routes.ts";
import type { Streams } from "./streams.ts";
import type { Admits } from "./token.ts";
import type { Traffic } from "./traffic.ts";

/** What requests are answered with. */
export interface Desk extends Sources {
  readonly traffic: Traffic;
  readonly streams: Streams;
  readonly admitted: Admits;
  /** Whether one more of what is not for everybody may be answered now. */
  readonly mayAsk: () => boolean;
}

/** Requests are small and sent at once, so whoever takes longer to ask is broken or means ill. */
export const REQUEST_LIMIT_MS = 10_000;
/** Request line and headers together. */
export const MAX_HEADER_BYTES = 8 * 1024;

/** Answers one request; never rejects. */
export async function handle(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A caller that hangs up half-way is its own affair.
  response.on("error", () => undefined);
  // What was not read cannot be told from the next request.
  if (hasBody(request)) response.shouldKeepAlive = false;
  const path = pathOf(request);
  const route = ROUTES.get(path);
  // Streams that their readers leave never finish, and were answered all the same.
  response.once("close", () => {
    if (response.headersSent)
      desk.traffic.answered(route === undefined ? "other" : path, response.statusCode);
  });
  const refused = refusalOf(desk, request, route);
  if (refused !== undefined) return send(request, response, refused);
  try {
    if (route!.answer !== "stream") send(request, response, await route!.answer(desk));
    else if (!desk.streams.open(request, response)) send(request, response, TOO_MANY_STREAMS);
  } catch (error) {
    // A fault in here must not end a host that still serves its data.
    send(request, response, refusal(500, "INTERNAL", error instanceof Error ? error.message : String(error)));
  }
}

function refusalOf(desk: Desk, request: IncomingMessage, route: Route | undefined): Answer | undefined {
  if (route === undefined) {
    return refusal(404, "NOT_FOUND", `there is nothing here; there is ${[...ROUTES.keys()].join(", ")}`);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const allow = { allow: "GET, HEAD" };
    return refusal(405, "METHOD_NOT_ALLOWED", "only GET and HEAD are answered here", allow);
  }
  if (hasBody(request)) return refusal(413, "BODY_REFUSED", "send no body; nothing here reads one");
  if (!route.open && !desk.admitted(request)) {
    desk.traffic.unauthorized++;
    return UNAUTHORIZED;
  }
  if (!route.open && !desk.mayAsk()) {
    desk.traffic.throttled++;
    return TOO_MANY_REQUESTS;
  }
  return undefined;
}

const UNAUTHORIZED = refusal(
  401,
  "UNAUTHORIZED",
  "this host has a token: send it as Authorization: Bearer <token>",
  { "www-authenticate": 'Bearer realm="tidemark"' },
);

const TOO_MANY_REQUESTS = refusal(
  429,
  "TOO_MANY_REQUESTS",
  "this host is asked too often; ask again in a second",
  {
    "retry-after": "1",
  },
);

const TOO_MANY_STREAMS = refusal(
  503,
  "TOO_MANY_STREAMS",
  "as many watch this host as may; close a page, or ask another host",
  { "retry-after": "5" },
);

/** What to say, on the wire, to bytes that were no request. */
export function lastWordsTo(error: NodeJS.ErrnoException): string {
  const [phrase, answer] = BAD_REQUESTS[error.code ?? ""] ?? BAD_REQUEST;
  return lastWords(answer, phrase);
}

const BAD_REQUEST: readonly [phrase: string, answer: Answer] = [
  "Bad Request",
  refusal(400, "BAD_REQUEST", "this is no HTTP request; send one such as GET /healthz"),
];

/** By the codes of Node's parser. */
const BAD_REQUESTS: Readonly<Record<string, typeof BAD_REQUEST>> = {
  HPE_HEADER_OVERFLOW: [
    "Request Header Fields Too Large",
    refusal(431, "HEADERS_TOO_LARGE", `path and headers take ${MAX_HEADER_BYTES} bytes at most; send fewer`),
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    "Request Timeout",
    refusal(
      408,
      "TIMEOUT",
      `a request has to be there within ${REQUEST_LIMIT_MS / 1_000} s; send it at once`,
    ),
  ],
};

// No `new URL`: it throws at what clients may send. The query says nothing here.
function pathOf(request: IncomingMessage): string {
  const target = request.url ?? "";
  const end = target.indexOf("?");
  return end < 0 ? target : target.slice(0, end);
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
}
