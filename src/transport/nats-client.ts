/**
 * What we use of a NATS client, as an interface: an open connection of the user may come from `nats`
 * 2.x or from `@nats-io/transport-node` 3.x, which share these members but neither classes nor the
 * shape of their errors. What differs between the two is told apart here and nowhere else.
 */

/** A message as both clients hand it to a subscription's callback. */
export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

export interface NatsSubscription {
  unsubscribe(): void;
}

/** One event of a client's status iterator; which members there are depends on `type` and client. */
export interface NatsStatus {
  readonly type: string;
  /** Client 2.x: of an `error`, its code. */
  readonly data?: unknown;
  /** Client 2.x: of a permission error. */
  readonly permissionContext?: unknown;
  /** Client 3.x: of an `error`. */
  readonly error?: unknown;
}

/** The members of a connection that both clients have and that we use. */
export interface NatsClient {
  readonly info?: { readonly max_payload: number } | undefined;
  publish(subject: string, payload: Uint8Array): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): NatsSubscription;
  flush(): Promise<void>;
  status(): AsyncIterable<NatsStatus>;
  closed(): Promise<void | Error>;
  isClosed(): boolean;
  isDraining(): boolean;
  close(): Promise<void>;
}

const MEMBERS = [
  "publish",
  "subscribe",
  "flush",
  "status",
  "closed",
  "isClosed",
  "isDraining",
  "close",
] as const;

/** Whether a value is an open connection rather than connection options. */
export function isNatsClient(value: object): value is NatsClient {
  return MEMBERS.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
}

/** Something the server does not let us do. */
export interface Violation {
  readonly operation: "publish" | "subscription";
  readonly subject: string;
}

/** The permission violation in a status event (`error` of 3.x, the event itself of 2.x) or in an error. */
export function violationOf(value: unknown): Violation | undefined {
  const holder = asRecord(value);
  const nested = asRecord(holder?.permissionContext) ?? asRecord(holder?.error) ?? holder;
  const operation = nested?.operation;
  const subject = nested?.subject;
  if ((operation !== "publish" && operation !== "subscription") || typeof subject !== "string")
    return undefined;
  return { operation, subject };
}

// Codes of `nats` 2.x and error names of 3.x that say "not with these credentials". A time-out of the
// server's own look-up (AUTHENTICATION_TIMEOUT) is not among them: it is worth another attempt.
const CREDENTIAL_ERRORS = new Set<unknown>([
  "ACCOUNT_EXPIRED",
  "AUTHENTICATION_EXPIRED",
  "AUTHORIZATION_VIOLATION",
  "BAD_AUTHENTICATION",
  "BAD_CREDS",
  "AuthorizationError",
  "UserAuthenticationExpiredError",
]);

/** Whether an error, or an `error` status event, says that the server refuses our credentials. */
export function refusesCredentials(value: unknown): boolean {
  const holder = asRecord(value);
  if (holder === undefined) return false;
  const error = asRecord(holder.error);
  return [holder.code, holder.data, holder.name, error?.name].some((mark) => CREDENTIAL_ERRORS.has(mark));
}

// What Node says of a certificate that it does not take, at either end.
const CERTIFICATE_ERRORS =
  /^(CERT_|CRL_|DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF))/;

/** Whether the server showed a certificate that is not to be trusted. */
export function distrustsServer(error: unknown): boolean {
  const code = asRecord(error)?.code;
  return typeof code === "string" && CERTIFICATE_ERRORS.test(code);
}

/** Whether options are wrong in a way that no further attempt can mend (`nats` 2.x). */
export function refusesOptions(error: unknown): boolean {
  const code = asRecord(error)?.code;
  // TLS: a file that the options name is not there or cannot be read.
  return code === "INVALID_OPTION" || code === "NOT_FUNC" || code === "BAD API" || code === "TLS";
}

/**
 * Ends a status iterator. Both clients return their queue, which can be stopped; the `return` of its
 * iterator would wait for the next event, which after a close never comes.
 */
export function stopStatus(status: AsyncIterable<NatsStatus>): void {
  const { stop } = status as { stop?: () => void };
  if (typeof stop === "function") stop.call(status);
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}
