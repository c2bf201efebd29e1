/** How much one client may take. Every number has a test that reaches it. */
export interface RespLimits {
  /** Connections at a time; further ones are told so and closed. Default 10,000. */
  maxClients: number;
  /** Arguments of one request. Default 1,048,576. */
  maxArguments: number;
  /** Bytes of one argument. Default 16 MiB. */
  maxArgumentBytes: number;
  /** Bytes of one request. Default 64 MiB. */
  maxRequestBytes: number;
  /** Bytes of replies that wait for one client; past it the client is cut off. Default 64 MiB. */
  maxOutputBytes: number;
  /** How long a client may leave replies unread before it is cut off, milliseconds. Default 30 s. */
  outputTimeoutMs: number;
  /** How long a client may be silent, milliseconds; 0 for ever. Default 0. */
  idleTimeoutMs: number;
  /** Requests that one client may send in a second; then it has to wait. 0 for no limit. Default 0. */
  maxRequestsPerSecond: number;
}

export const DEFAULT_LIMITS: Readonly<RespLimits> = {
  maxClients: 10_000,
  maxArguments: 1024 * 1024,
  maxArgumentBytes: 16 * 1024 * 1024,
  maxRequestBytes: 64 * 1024 * 1024,
  maxOutputBytes: 64 * 1024 * 1024,
  outputTimeoutMs: 30_000,
  idleTimeoutMs: 0,
  maxRequestsPerSecond: 0,
};
