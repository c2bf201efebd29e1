/**
 * What the demo asks of a host process, and what the process answers, over the channel that Node gives a
 * forked child. Times are nanoseconds of the monotonic clock, which all processes of a machine share.
 */
import type { Status } from "../../status.ts";
import type { Token } from "../../tidemark.ts";
import type { Write } from "./writes.ts";

/** What a host is to show of a key. */
export interface Expectation {
  readonly key: string;
  readonly content: string;
}

/** For each order what it takes and what it is answered with. */
export interface Orders {
  open: {
    takes: { nats: string; namespace: string; node: string };
    answers: { incarnation: string; readyMs: number; keys: number };
  };
  /** Writes in one go. */
  write: {
    takes: { writes: readonly Write[] };
    answers: { startedAt: bigint; returned: unknown[]; token: Token };
  };
  /** One write at a time with a pause after each, every one read back. */
  pace: {
    takes: { writes: readonly Write[]; everyMs: number };
    answers: { reads: number; unread: number; token: Token };
  };
  /** Begins to look for something; answered at once, with a number to ask for it by. */
  expect: { takes: Expectation; answers: number };
  /** When what was expected was first shown. */
  seen: { takes: number; answers: bigint };
  /** When all these writes were applied here. */
  applied: { takes: readonly Token[]; answers: bigint };
  /** What a key holds, as text. */
  show: { takes: string; answers: string };
  status: { takes: undefined; answers: Status };
  contents: { takes: undefined; answers: ReadonlyMap<string, string> };
  close: { takes: undefined; answers: undefined };
}

export type OrderName = keyof Orders;

export interface Request<Name extends OrderName = OrderName> {
  readonly id: number;
  readonly name: Name;
  readonly takes: Orders[Name]["takes"];
}

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: string };
