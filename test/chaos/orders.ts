/** What the test asks of a host process, and what the process answers, over the channel of a forked child. */
import type { Inspection } from "../../src/host.ts";
import type { OpenOptions } from "../../src/options.ts";
import type { Status } from "../../src/status.ts";
import type { Operation } from "../simulation/operations.ts";

/** An increment of a counter that nobody ever resets: what it comes to can be added up outside. */
export interface Sum {
  readonly key: string;
  readonly delta: number;
}

/** Where a host stands; cheap, asked often. */
export interface Mark {
  readonly state: Status["state"];
  readonly connected: boolean;
  readonly seq: number;
  readonly vectorHash: string;
  readonly digest: string;
  readonly snapshotsInstalled: number;
  /** Processor time that the process has used. */
  readonly processorMs: number;
}

/** All that a host holds and shows, taken in one turn of its event loop. */
export interface Shown {
  readonly inspection: Inspection;
  /** By key, as `contentName` names it. */
  readonly contents: ReadonlyMap<string, string>;
  /** Fleet time before and after. */
  readonly between: readonly [from: number, to: number];
}

export interface Memory {
  /** After a full collection: heap and buffers. */
  readonly liveBytes: number;
  readonly residentBytes: number;
  /** The most there was since the start. */
  readonly peakResidentBytes: number;
}

/** For each order what it takes and what it is answered with. */
export interface Orders {
  open: {
    takes: { options: OpenOptions; journal: string | undefined };
    answers: { incarnation: string };
  };
  ready: { takes: { timeoutMs: number }; answers: undefined };
  /** Performs operations one after another, the sum last; `refused` counts error codes. */
  operate: {
    takes: { operations: readonly Operation[]; sum: Sum | undefined };
    answers: { seq: number; summed: boolean; refused: Readonly<Record<string, number>> };
  };
  /** Writes plain values of a size in one go, until one is refused. */
  fill: {
    takes: { prefix: string; from: number; count: number; bytes: number };
    answers: { written: number; refused: string | undefined; seq: number };
  };
  /** Waits for that many other hosts; answers how many have everything up to `seq`. */
  confirm: { takes: { hosts: number; timeoutMs: number }; answers: { seq: number; hosts: number } };
  /** From now on spends so many milliseconds of every hundred on nothing, as a busy process does. */
  burden: { takes: { busyMs: number }; answers: undefined };
  mark: { takes: undefined; answers: Mark };
  status: { takes: undefined; answers: Status };
  show: { takes: undefined; answers: Shown };
  memory: { takes: undefined; answers: Memory };
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
  /** `closed`: the host was told to close meanwhile. */
  | { readonly id: number; readonly failure: string; readonly closed: boolean };
