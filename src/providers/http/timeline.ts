/**
 * The last things that replication told of, as sentences for the page. Keys are left out: whoever may see how a
 * host fares need not see its data.
 */
import type { ReplicationEvent } from "../../replication/replication-event.ts";
import type { Status } from "../../status.ts";
import { count, duration, type Tone } from "./findings.ts";
import { namesOf, shortName } from "./report.ts";

export interface TimelineEntry {
  /** Counts up from 1, so that a reader can tell what it has seen. */
  readonly id: number;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly type: ReplicationEvent["type"];
  readonly tone: Tone;
  readonly text: string;
}

/** So many are kept, and none longer than that: both stand in memory as long as the door is open. */
const MOST_ENTRIES = 100;
const MOST_CHARACTERS = 300;

/** A storm of events of hosts that nobody knows must not become a storm of statuses. */
const LOOK_AGAIN_MS = 1_000;
/** Written every half minute or so; they would drive out what matters, and the page has the last one elsewhere. */
const UNTOLD: ReadonlySet<ReplicationEvent["type"]> = new Set(["checkpoint"]);

export class Timeline {
  readonly #status: () => Status;
  #entries: TimelineEntry[] = [];
  #lastId = 0;
  /** Names of hosts by incarnation, as they were when one was looked for last. */
  #names: ReadonlyMap<string, string> = new Map();
  #namedAt = Number.NEGATIVE_INFINITY;

  /** `status`: names the hosts that events are about. */
  constructor(status: () => Status) {
    this.#status = status;
  }

  /** Takes a batch of events. */
  add(events: readonly ReplicationEvent[]): void {
    const told = events.filter(({ type }) => !UNTOLD.has(type));
    // Of a large batch only the end would be kept.
    this.#lastId += Math.max(0, told.length - MOST_ENTRIES);
    for (const event of told.slice(-MOST_ENTRIES)) {
      const { tone, text } = sentenceOf(event, (incarnation) => this.#name(incarnation));
      const { at, type } = event;
      this.#entries.push({ id: ++this.#lastId, at, type, tone, text: text.slice(0, MOST_CHARACTERS) });
    }
    if (this.#entries.length > MOST_ENTRIES) this.#entries = this.#entries.slice(-MOST_ENTRIES);
  }

  /** Those after an entry, the oldest first. */
  since(id: number): readonly TimelineEntry[] {
    return this.#entries.filter((entry) => entry.id > id);
  }

  get lastId(): number {
    return this.#lastId;
  }

  #name(incarnation: string): string {
    const now = performance.now();
    if (!this.#names.has(incarnation) && now - this.#namedAt >= LOOK_AGAIN_MS) {
      this.#names = namesOf(this.#status());
      this.#namedAt = now;
    }
    return this.#names.get(incarnation) ?? shortName(incarnation);
  }
}

function sentenceOf(
  event: ReplicationEvent,
  name: (incarnation: string) => string,
): { readonly tone: Tone; readonly text: string } {
  switch (event.type) {
    case "gap": {
      const missing = count(event.known - event.applied, "event");
      return { tone: "wait", text: `${missing} of ${name(event.origin)} found missing.` };
    }
    case "replay": {
      const what = `${count(event.events, "event")} of ${name(event.origin)} replayed by ${name(event.from)}`;
      return { tone: "good", text: `${what}, in ${duration(event.tookMs)}.` };
    }
    case "snapshot": {
      const what = `Snapshot of ${name(event.from)} taken over`;
      return {
        tone: "good",
        text: `${what}: ${count(event.events, "event")}, in ${duration(event.tookMs)}.`,
      };
    }
    case "divergence":
      return event.foundBy === "scrub"
        ? { tone: "bad", text: `Data of ${event.node} contradict their digest: memory may be bad.` }
        : { tone: "bad", text: `${event.node} has the same events and holds other data.` };
    case "healed": {
      const text = `Data of ${event.node} are those of ${name(event.from)} again`;
      return { tone: "good", text: `${text}; ${count(event.differing, "key")} differed.` };
    }
    case "quarantine": {
      const what = `${count(event.count, "message")} of ${event.node} refused`;
      return { tone: "warn", text: `${what} (${event.reason}): ${event.detail}` };
    }
    case "final": {
      const missing = count(event.known - event.applied, "event");
      return { tone: "warn", text: `${missing} of ${name(event.origin)} given up: nobody has them.` };
    }
    case "clock": {
      const off = duration(Math.abs(event.offsetMs));
      return event.far
        ? { tone: "warn", text: `The clock of ${event.node} is off by ${off}.` }
        : { tone: "good", text: `The clock of ${event.node} is right again.` };
    }
    case "checkpoint":
      return {
        tone: "good",
        text: `Checkpoint written: ${count(event.bytes, "byte")}, in ${duration(event.tookMs)}.`,
      };
    case "checkpoint-failed":
      return { tone: "warn", text: `Checkpoint not written: ${event.detail}` };
    case "checkpoint-refused":
      return { tone: "warn", text: `The checkpoint found was refused: ${event.detail}` };
    case "checkpoint-loaded": {
      const took = duration(event.tookMs);
      return { tone: "good", text: `Checkpoint loaded: ${count(event.events, "event")}, in ${took}.` };
    }
    case "missed":
      return { tone: "warn", text: `${count(event.count, "more event")} came too fast to be told.` };
  }
}
