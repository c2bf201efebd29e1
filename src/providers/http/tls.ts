/** The server of the door, with or without TLS, and how its certificate is changed. */
import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import { TidemarkError } from "../../errors.ts";

/** Certificate and key as PEM. */
export interface HttpTls {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
}

const HANDSHAKE_LIMIT_MS = 10_000;

/** A server that does not listen yet. Throws `INVALID_ARGUMENT` where the certificate cannot be used. */
export function serverOf(options: ServerOptions, tls: HttpTls | undefined): Server | SecureServer {
  if (tls === undefined) return createServer(options);
  try {
    const server = createSecureServer({
      ...options,
      ...contextOf(tls),
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
    });
    // A handshake that failed is its client's affair.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  } catch (cause) {
    throw badTls(cause);
  }
}

/** Serves new connections with another certificate. Throws `INVALID_ARGUMENT` where it cannot be used. */
export function renew(server: Server | SecureServer, tls: HttpTls): void {
  if (!("setSecureContext" in server))
    throw new TidemarkError("INVALID_ARGUMENT", "this door was opened without TLS; open it with tls");
  try {
    server.setSecureContext(contextOf(tls));
  } catch (cause) {
    throw badTls(cause);
  }
}

function contextOf({ cert, key }: HttpTls) {
  const pem = (given: string | Uint8Array) => (typeof given === "string" ? given : Buffer.from(given));
  return { cert: pem(cert), key: pem(key) };
}

function badTls(cause: unknown): TidemarkError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TidemarkError("INVALID_ARGUMENT", `the certificate or its key cannot be used: ${why}`, {
    cause,
  });
}
