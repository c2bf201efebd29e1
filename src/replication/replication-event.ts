/**
 * What a host tells of the promise that hosts never silently diverge: what it missed, how that was mended,
 * whom it refuses. Rare by nature; each kind is bounded where it is told.
 */

/** Why something received was refused, or taken with a remark (`future-stamp`). */
export type Refusal =
  /** Bytes that are no message: damaged, of another version or namespace, or beyond the limits. */
  | "malformed"
  /** Said in the name of another host, or of an incarnation that another host announced. */
  | "not-its-own"
  /** A message on a channel it does not belong on. */
  | "misplaced"
  /** Claims events that their author never made, or that nobody delivers. */
  | "false-row"
  /** Names more hosts that nothing was ever heard of than one host may. */
  | "too-many-names"
  /** One host more than a namespace may have. */
  | "too-many-hosts"
  /** More messages of a kind than a host may send per second. */
  | "flood"
  /** A snapshot that does not come to an end. */
  | "endless"
  /** Events stamped far in the future: they are applied, and do not move our clock that far. */
  | "future-stamp";

/** One thing that happened. `origin`, `from` and `incarnation` are incarnations, `node` is a host's name. */
export type ReplicationEvent = {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
} & (
  | {
      /** Events of `origin` are missing here: `applied` are, `known` exist. */
      readonly type: "gap";
      readonly origin: string;
      readonly applied: number;
      readonly known: number;
    }
  | {
      /** Missed events of `origin` came by a replay. */
      readonly type: "replay";
      readonly origin: string;
      readonly from: string;
      readonly events: number;
      readonly tookMs: number;
    }
  | {
      /** A snapshot was taken over from a host. */
      readonly type: "snapshot";
      readonly from: string;
      readonly events: number;
      readonly tookMs: number;
    }
  | {
      /**
       * A host that has applied the same events holds other data than we; or, by a scrub, our own data
       * contradict our digests, and `node` is ours.
       */
      readonly type: "divergence";
      readonly node: string;
      readonly foundBy: "heartbeat" | "scrub";
      readonly digest: string;
      readonly theirs: string | undefined;
    }
  | {
      /**
       * A divergence is mended. On the host that took over the data of `from`: how many keys differed, and some
       * of them. On the others: that `node` holds the same again.
       */
      readonly type: "healed";
      readonly node: string;
      readonly from: string;
      readonly differing: number;
      readonly keys: readonly string[];
      readonly tookMs: number;
    }
  | {
      /** `count` messages of a host were refused for one reason since this was last told, a second ago or more. */
      readonly type: "quarantine";
      readonly node: string;
      readonly reason: Refusal;
      readonly detail: string;
      readonly count: number;
    }
  | {
      /** The events of a host that is gone beyond `applied` will never come: nobody has them all. */
      readonly type: "final";
      readonly origin: string;
      readonly applied: number;
      readonly known: number;
    }
  | {
      /** The clock of a host is far from ours, or is near again. */
      readonly type: "clock";
      readonly node: string;
      readonly offsetMs: number;
      readonly far: boolean;
    }
  | {
      /** A checkpoint was written: what is held is on the disk. */
      readonly type: "checkpoint";
      readonly path: string;
      readonly bytes: number;
      readonly tookMs: number;
    }
  | {
      /** One could not be written; it is tried again, and the one before it is still there. */
      readonly type: "checkpoint-failed";
      readonly path: string;
      readonly detail: string;
    }
  | {
      /** What lay at the path when the host started could not be taken: damaged, or not of this host. */
      readonly type: "checkpoint-refused";
      readonly path: string;
      readonly detail: string;
    }
  | {
      /** What the last start of the host had kept is here again: so many events. */
      readonly type: "checkpoint-loaded";
      readonly path: string;
      readonly events: number;
      readonly tookMs: number;
    }
  | {
      /** So many more events were not told in this turn, for there were too many. */
      readonly type: "missed";
      readonly count: number;
    }
);

type WithoutTime<E> = E extends unknown ? Omit<E, "at"> : never;

/** An event as it is told, before it is given its time. */
export type Told = WithoutTime<ReplicationEvent>;
