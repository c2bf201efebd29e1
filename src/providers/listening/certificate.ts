/** The certificate of a door, and how it is changed while the door is open. */
import type { Server as TlsServer } from "node:tls";
import { TidemarkError } from "../../errors.ts";

/** Certificate and key as PEM. */
export interface Certificate {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** Whom client certificates must come from. Absent: none are asked for. */
  readonly ca?: string | Uint8Array;
}

/** How long a client may take for the handshake, milliseconds. */
export const HANDSHAKE_LIMIT_MS = 10_000;

/** A server with a certificate, made by `create`. Throws `INVALID_ARGUMENT` where it cannot be used. */
export function secured<S extends TlsServer>(
  certificate: Certificate,
  create: (context: ReturnType<typeof contextOf>) => S,
): S {
  try {
    const server = create(contextOf(certificate));
    // A handshake that failed is its client's affair.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  } catch (cause) {
    throw unusable(cause);
  }
}

/** Serves new connections with another certificate. Throws `INVALID_ARGUMENT` where it cannot be used. */
export function renew(server: object, certificate: Certificate): void {
  if (!isSecured(server))
    throw new TidemarkError("INVALID_ARGUMENT", "this door was opened without TLS; open it with tls");
  try {
    server.setSecureContext(contextOf(certificate));
  } catch (cause) {
    throw unusable(cause);
  }
}

function isSecured(server: object): server is TlsServer {
  return "setSecureContext" in server;
}

function contextOf({ cert, key, ca }: Certificate) {
  const pem = (given: string | Uint8Array) => (typeof given === "string" ? given : Buffer.from(given));
  const verify = ca === undefined ? {} : { ca: pem(ca), requestCert: true, rejectUnauthorized: true };
  return { cert: pem(cert), key: pem(key), handshakeTimeout: HANDSHAKE_LIMIT_MS, ...verify };
}

function unusable(cause: unknown): TidemarkError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TidemarkError("INVALID_ARGUMENT", `the certificate or its key cannot be used: ${why}`, {
    cause,
  });
}
