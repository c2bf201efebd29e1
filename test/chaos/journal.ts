/**
 * The record of every event a host makes, outside of it: a file that is written in the turn of the write,
 * before the event can have left the process. A kill takes nothing from it.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import type { HostObserver } from "../../src/host.ts";
import { type RecordedEvent, recordEvent } from "../simulation/recorded.ts";

/** Writes each event of a host to the end of a file. */
export function journalTo(path: string): HostObserver {
  const file = openSync(path, "a");
  return {
    wrote: (event, origins) => {
      const record = serialize(recordEvent(event, origins, Date.now()));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(record.length);
      writeSync(file, Buffer.concat([length, record]));
    },
  };
}

/** Reads a journal bit by bit. */
export class JournalReader {
  readonly #file: number;
  #rest = Buffer.alloc(0);
  #offset = 0;

  constructor(path: string) {
    this.#file = openSync(path, "a+");
  }

  /** What was written since the last time. */
  read(): RecordedEvent[] {
    const piece = Buffer.alloc(1024 * 1024);
    for (let got = 1; got > 0; ) {
      got = readSync(this.#file, piece, 0, piece.length, this.#offset);
      this.#offset += got;
      this.#rest = Buffer.concat([this.#rest, piece.subarray(0, got)]);
    }
    const events: RecordedEvent[] = [];
    let at = 0;
    while (this.#rest.length - at >= 4) {
      const end = at + 4 + this.#rest.readUInt32BE(at);
      if (end > this.#rest.length) break;
      events.push(deserialize(this.#rest.subarray(at + 4, end)) as RecordedEvent);
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
    return events;
  }

  close(): void {
    closeSync(this.#file);
  }
}
