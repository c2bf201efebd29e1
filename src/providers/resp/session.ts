/** What a connection knows of its client. */
import type { User } from "./access.ts";
import type { Watching } from "./watching.ts";

export interface SessionState {
  /** Counts up from 1, never used twice. */
  readonly id: number;
  readonly address: string;
  readonly localAddress: string;
  readonly since: number;
  /** Of the last request, milliseconds as `performance.now` counts. */
  lastActive: number;
  name: string;
  libName: string;
  libVersion: string;
  protocol: 2 | 3;
  /** `undefined`: nobody has logged in. */
  user: User | undefined;
  /** Whether replies are sent: `skip` is for the next one only, `skipped` for this one. */
  replies: "on" | "off" | "skip";
  noEvict: boolean;
  /** What it watches, if anything. */
  watching: Watching | undefined;
  /** The command it ran last. */
  command: string;
  /** Bytes of what it sent last, and of what is kept of it. */
  inputBytes: number;
}
