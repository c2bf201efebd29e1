/**
 * Messages that are not bulk as CBOR by `cbor-x`, each one flat array of fixed order (PROTOCOL.md). Bytes
 * from the network are first walked by `assertPlain`: only plain items, lengths within what is there,
 * little depth; so no message can make the decoder allocate more than a few times its own size. Then every
 * field is checked, and only then is it a `Message`.
 */
import { Decoder, Encoder } from "cbor-x";
import type { TidemarkError } from "../errors.ts";
import { malformed } from "./cbor.ts";
import { FRAME_TYPE, MAX_INCARNATION_BYTES, PROTOCOL_VERSION } from "./frame.ts";
import { CHUNK_TYPE } from "./image-codec.ts";
import type { LoadOutcome, Message, PeerState, Row, Service } from "./messages.ts";

const TYPES = {
  heartbeat: 2,
  "replay-request": 3,
  replay: 4,
  "replay-refusal": 5,
  "sync-request": 6,
  "chunk-request": 7,
  "sync-refusal": 9,
  "rows-request": 10,
  acknowledgement: 11,
  fragment: 12,
  "load-request": 13,
  "load-answer": 14,
} as const satisfies Record<Message["type"], number>;

const STATES: readonly PeerState[] = ["joining", "ready", "leaving"];
const SERVICES: readonly Service[] = ["none", "loads", "commits"];

const encoder = new Encoder({ useRecords: false, mapsAsObjects: false, tagUint8Array: false });
const decoder = new Decoder({ useRecords: false, mapsAsObjects: false });

export function encodeMessage(message: Message, namespace: string): Uint8Array {
  const bytes: Uint8Array = encoder.encode([
    PROTOCOL_VERSION,
    namespace,
    TYPES[message.type],
    ...fieldsOf(message),
  ]);
  return new Uint8Array(bytes);
}

/** What kind of message this is, so that bulk formats reach their own decoders. Throws `MALFORMED_MESSAGE`. */
export function bulkType(bytes: Uint8Array): "frame" | "chunk" | undefined {
  // A flat array, the version as a small integer, the namespace as a short text, then the type.
  let at = headerLength(bytes[0]);
  if (bytes[at] !== PROTOCOL_VERSION) throw malformed("another protocol version");
  at++;
  const text = bytes[at] ?? 0;
  at += text === 0x78 ? 2 + (bytes[at + 1] ?? 0) : 1 + (text & 31);
  const type = bytes[at];
  return type === FRAME_TYPE ? "frame" : type === CHUNK_TYPE ? "chunk" : undefined;
}

/** Throws `MALFORMED_MESSAGE` for anything that is not exactly one well-formed message. */
export function decodeMessage(bytes: Uint8Array, namespace: string): Message {
  assertPlain(bytes);
  let items: unknown;
  try {
    items = decoder.decode(bytes);
  } catch (cause) {
    throw malformed(`no CBOR (${(cause as Error).message})`);
  }
  if (!Array.isArray(items)) throw malformed("an array was expected");
  const fields = new Fields(items);
  if (fields.uint() !== PROTOCOL_VERSION) throw malformed("another protocol version");
  if (fields.text() !== namespace) throw malformed("another namespace");
  const message = readFields(fields.uint(), fields);
  fields.end();
  return message;
}

function fieldsOf(message: Message): unknown[] {
  switch (message.type) {
    case "heartbeat":
      return [
        message.incarnation,
        message.node,
        message.counter,
        message.seq,
        message.wallMs,
        STATES.indexOf(message.state),
        message.vectorHash,
        message.digest,
        message.keys,
        message.partial,
        message.complete,
        message.rows,
        SERVICES.indexOf(message.serves),
        message.settled,
      ];
    case "replay-request":
      return [message.incarnation, message.node, message.origin, message.first, message.last];
    case "replay":
      return [message.incarnation, message.origin, message.frames];
    case "replay-refusal":
      return [message.incarnation, message.origin, message.reason === "trimmed" ? 0 : 1];
    case "sync-request":
      return [message.incarnation, message.node, message.session, message.seen, message.digests];
    case "chunk-request":
      return [message.incarnation, message.node, message.session, message.index];
    case "sync-refusal":
      return [message.incarnation, message.session];
    case "rows-request":
      return [message.incarnation, message.node];
    case "acknowledgement":
      return [message.incarnation, message.seq];
    case "load-request":
      return [message.incarnation, message.node, message.id, message.key];
    case "load-answer":
      return [message.incarnation, message.id, ...fieldsOfOutcome(message.answer)];
    case "fragment":
      return [message.incarnation, message.id, message.index, message.count, message.bytes];
    default:
      return message satisfies never;
  }
}

function readFields(type: number, fields: Fields): Message {
  const incarnation = fields.text();
  switch (type) {
    case TYPES.heartbeat:
      return {
        type: "heartbeat",
        incarnation,
        node: fields.text(),
        counter: fields.uint(),
        seq: fields.uint(),
        wallMs: fields.number(),
        state: fields.oneOf(STATES),
        vectorHash: fields.text(),
        digest: fields.text(),
        keys: fields.uint(),
        partial: fields.boolean(),
        complete: fields.boolean(),
        rows: fields.rows(),
        serves: fields.oneOf(SERVICES),
        settled: fields.uint(),
      };
    case TYPES["replay-request"]: {
      const node = fields.text();
      return {
        type: "replay-request",
        incarnation,
        node,
        origin: fields.text(),
        first: fields.uint(),
        last: fields.uint(),
      };
    }
    case TYPES.replay:
      return { type: "replay", incarnation, origin: fields.text(), frames: fields.byteStrings() };
    case TYPES["replay-refusal"]:
      return {
        type: "replay-refusal",
        incarnation,
        origin: fields.text(),
        reason: fields.oneOf(["trimmed", "unknown"] as const),
      };
    case TYPES["sync-request"]: {
      const node = fields.text();
      const session = fields.text();
      return {
        type: "sync-request",
        incarnation,
        node,
        session,
        seen: fields.rows(),
        digests: fields.bytes(),
      };
    }
    case TYPES["chunk-request"]:
      return {
        type: "chunk-request",
        incarnation,
        node: fields.text(),
        session: fields.text(),
        index: fields.uint(),
      };
    case TYPES["sync-refusal"]:
      return { type: "sync-refusal", incarnation, session: fields.text() };
    case TYPES["rows-request"]:
      return { type: "rows-request", incarnation, node: fields.text() };
    case TYPES.acknowledgement:
      return { type: "acknowledgement", incarnation, seq: fields.uint() };
    case TYPES["load-request"]:
      return {
        type: "load-request",
        incarnation,
        node: fields.text(),
        id: fields.uint(),
        key: fields.longText(),
      };
    case TYPES["load-answer"]:
      return { type: "load-answer", incarnation, id: fields.uint(), answer: readOutcome(fields) };
    case TYPES.fragment: {
      const id = fields.uint();
      const index = fields.uint();
      const count = fields.uint();
      return { type: "fragment", incarnation, id, index, count, bytes: fields.bytes() };
    }
    default:
      throw malformed("an unknown type of message");
  }
}

const OUTCOMES = ["loading", "held", "entered", "absent", "failed", "refused"] as const;

function fieldsOfOutcome(answer: LoadOutcome): unknown[] {
  const outcome = OUTCOMES.indexOf(answer.outcome);
  switch (answer.outcome) {
    case "held":
      return [outcome, answer.value];
    case "entered":
      return [outcome, answer.seq];
    case "absent":
      return [outcome, answer.forMs];
    case "failed":
      return [outcome, answer.code, answer.message];
    default:
      return [outcome];
  }
}

function readOutcome(fields: Fields): LoadOutcome {
  const outcome = fields.oneOf(OUTCOMES);
  switch (outcome) {
    case "held":
      return { outcome, value: fields.value() };
    case "entered":
      return { outcome, seq: fields.uint() };
    case "absent":
      return { outcome, forMs: fields.uint() };
    case "failed":
      return { outcome, code: fields.text(), message: fields.longText() };
    default:
      return { outcome };
  }
}

/** Takes the fields of a decoded array one by one and checks each. */
class Fields {
  readonly #items: readonly unknown[];
  #next = 0;

  constructor(items: readonly unknown[]) {
    this.#items = items;
  }

  uint(): number {
    const item = this.#take();
    if (!isUint(item)) throw unexpected("a whole number");
    return item;
  }

  number(): number {
    const item = this.#take();
    if (typeof item !== "number" || !Number.isFinite(item)) throw unexpected("a number");
    return item;
  }

  boolean(): boolean {
    const item = this.#take();
    if (typeof item !== "boolean") throw unexpected("true or false");
    return item;
  }

  text(): string {
    const item = this.#take();
    if (typeof item !== "string" || item.length > MAX_INCARNATION_BYTES) throw unexpected("a short text");
    return item;
  }

  /** Of any length: what it may cost is bounded by the message. */
  longText(): string {
    const item = this.#take();
    if (typeof item !== "string") throw unexpected("a text");
    return item;
  }

  value(): string | Uint8Array {
    const item = this.#take();
    if (typeof item !== "string" && !(item instanceof Uint8Array)) throw unexpected("text or bytes");
    return item;
  }

  bytes(): Uint8Array {
    const item = this.#take();
    if (!(item instanceof Uint8Array)) throw unexpected("bytes");
    return item;
  }

  byteStrings(): Uint8Array[] {
    const item = this.#take();
    if (!Array.isArray(item) || !item.every((each) => each instanceof Uint8Array))
      throw unexpected("byte strings");
    return item;
  }

  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.uint()];
    if (choice === undefined) throw unexpected("a known choice");
    return choice;
  }

  rows(): Row[] {
    const item = this.#take();
    if (!Array.isArray(item) || !item.every(isRow)) throw unexpected("rows of a vector");
    return item;
  }

  end(): void {
    if (this.#next !== this.#items.length) throw malformed("more fields than expected");
  }

  #take(): unknown {
    return this.#items[this.#next++];
  }
}

function isUint(item: unknown): item is number {
  return typeof item === "number" && Number.isSafeInteger(item) && item >= 0;
}

function isRow(item: unknown): item is Row {
  if (!Array.isArray(item) || item.length !== 2) return false;
  return typeof item[0] === "string" && item[0].length <= MAX_INCARNATION_BYTES && isUint(item[1]);
}

function unexpected(what: string): TidemarkError {
  return malformed(`${what} was expected`);
}

const MAX_DEPTH = 3;

/** Walks over CBOR and throws unless it is one item made of plain ones, complete, and not deep. */
function assertPlain(bytes: Uint8Array): void {
  if (skip(bytes, 0, 0) !== bytes.length) throw malformed("bytes after the message");
}

function skip(bytes: Uint8Array, at: number, depth: number): number {
  const head = bytes[at];
  if (head === undefined) throw malformed("it ends too early");
  const major = head >> 5;
  const info = head & 31;
  if (major === 7) {
    if (info === 20 || info === 21 || info === 22) return at + 1;
    if (info === 27) return at + 9;
    throw malformed("an item that is not plain");
  }
  if (major === 5 || major === 6 || info > 27) throw malformed("an item that is not plain");
  const start = at + headerLength(head);
  if (major <= 1) return start;
  let argument = info;
  if (info >= 24) {
    argument = 0;
    for (let i = at + 1; i < start; i++) argument = argument * 256 + (bytes[i] ?? 0);
  }
  if (argument > bytes.length - start) throw malformed("a length beyond the message");
  if (major < 4) return start + argument;
  if (depth === MAX_DEPTH) throw malformed("it is nested too deeply");
  let next = start;
  for (let left = argument; left > 0; left--) next = skip(bytes, next, depth + 1);
  return next;
}

function headerLength(head: number | undefined): number {
  const info = (head ?? 0) & 31;
  return info < 24 ? 1 : info === 24 ? 2 : info === 25 ? 3 : info === 26 ? 5 : 9;
}
