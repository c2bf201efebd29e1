/**
 * A NATS KV bucket watched into memory: reads without a round trip, of a bucket that others write. It shows
 * what has arrived, so it may be behind; `revision` says how far it is.
 */
import type { KV, KvEntry, NatsConnection, QueuedIterator } from "nats";
import { checkOptions } from "../arguments.ts";
import { tokenToKey } from "./kv-keys.ts";
import { checkedBucket, connectionOf, isConnection } from "./nats-bucket.ts";
import type { NatsConnectionOption } from "./nats-connection.ts";

export interface MirrorOptions {
  /** A server URL, options of `nats.connect`, or a connection of `nats` 2 (never closed by us). */
  connection: NatsConnectionOption;
  /** Has to be there. */
  bucket: string;
  /** Which keys, as NATS matches them: `"user.>"`, `"*.name"`. Default: all. */
  filter?: string;
}

/** The bucket as it was when the last change arrived. */
export interface Mirror extends AsyncDisposable {
  readonly size: number;
  /** The bucket's revision up to which it shows everything. */
  readonly revision: number;
  /** Text of a key; `undefined` if absent. Bytes that are no UTF-8 come with replacement characters. */
  get(key: string): string | undefined;
  /** A copy. */
  getBytes(key: string): Uint8Array | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  /** Resolves when the mirror shows this revision, such as one that a `put` returned. Rejects with the signal's reason. */
  reached(revision: number, options?: { signal?: AbortSignal }): Promise<void>;
  /** Ends the watch; what it showed stays readable. */
  close(): Promise<void>;
}

const text = new TextDecoder();

interface Waiting {
  readonly revision: number;
  readonly resolve: () => void;
}

/** Opens a mirror; resolves when it shows everything that was there. Rejects what NATS rejects. */
export async function mirror(options: MirrorOptions): Promise<Mirror> {
  checkOptions(options, ["connection", "bucket", "filter"], "mirror");
  const bucket = checkedBucket(options?.bucket);
  const connection = await connectionOf(options.connection);
  const own = isConnection(options.connection) ? undefined : connection;
  try {
    const kv = await connection.jetstream().views.kv(bucket, { bindOnly: true });
    // Without a look at the stream a bucket that is not there would only be noticed by its silence.
    await kv.status();
    return await watched(kv, options.filter ?? ">", own);
  } catch (error) {
    await own?.close();
    throw error;
  }
}

async function watched(kv: KV, filter: string, own: NatsConnection | undefined): Promise<Mirror> {
  const values = new Map<string, Uint8Array>();
  const waiting = new Set<Waiting>();
  let revision = 0;
  const watch = await new Promise<QueuedIterator<KvEntry>>((resolve, reject) => {
    let opened: QueuedIterator<KvEntry> | undefined;
    let initialized = false;
    const ready = (): void => {
      if (opened !== undefined && initialized) resolve(opened);
    };
    kv.watch({
      key: filter,
      initializedFn: () => {
        initialized = true;
        ready();
      },
    }).then((iterator) => {
      opened = iterator;
      void follow(iterator);
      ready();
    }, reject);
  });

  async function follow(iterator: QueuedIterator<KvEntry>): Promise<void> {
    for await (const entry of iterator) {
      const key = tokenToKey(entry.key);
      if (entry.operation === "PUT") values.set(key, entry.value);
      else values.delete(key);
      revision = Math.max(revision, entry.revision);
      for (const wait of waiting) if (wait.revision <= revision) wait.resolve();
    }
  }
  // `initializedFn` is called when the last initial entry is handed over, which is one turn before it is read.
  await new Promise((resolve) => setImmediate(resolve));

  const close = async (): Promise<void> => {
    watch.stop();
    await own?.close();
  };
  return {
    get size() {
      return values.size;
    },
    get revision() {
      return revision;
    },
    get: (key) => {
      const value = values.get(key);
      return value === undefined ? undefined : text.decode(value);
    },
    getBytes: (key) => {
      const value = values.get(key);
      return value === undefined ? undefined : new Uint8Array(value);
    },
    has: (key) => values.has(key),
    keys: () => values.keys(),
    reached: (wanted, { signal } = {}) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const aborted = (): void => {
          waiting.delete(wait);
          reject(signal!.reason);
        };
        const wait: Waiting = {
          revision: wanted,
          resolve: () => {
            waiting.delete(wait);
            signal?.removeEventListener("abort", aborted);
            resolve();
          },
        };
        signal?.addEventListener("abort", aborted, { once: true });
        waiting.add(wait);
        if (revision >= wanted) wait.resolve();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
