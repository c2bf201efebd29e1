/**
 * Watching: what is there, a `synced` mark, then every change of what a reader sees, whatever caused it.
 */
import type { Value } from "./crdt/entry.ts";
import type { KeyType } from "./tidemark.ts";

export interface WatchOptions {
  prefix?: string;
  /** A glob, as in `keys`. */
  match?: string;
  /** Keys with undelivered changes that are kept before changes to one key are folded. Default 1,024. */
  buffer?: number;
  signal?: AbortSignal;
}

/** A change of one key. */
export interface KeyChange {
  /** `expire`: its deadline passed. `evict`: this host let it go for room; other hosts still have it. */
  readonly type: "set" | "delete" | "expire" | "evict";
  readonly key: string;
  /** What the key holds now, or held before it went. */
  readonly kind: KeyType;
  /** Strings and counters: the value now. Sets and lists: `undefined`, read the key. */
  readonly value: Value | undefined;
  /** Strings and counters: the value before. */
  readonly previous: Value | undefined;
  /** Sets and lists: members or elements that came and went. */
  readonly added: readonly Value[];
  readonly removed: readonly Value[];
  /** The incarnation that wrote; our own for expiry and eviction, `undefined` for what was there. */
  readonly origin: string | undefined;
  /** When, in milliseconds since 1970, by the writer's clock. */
  readonly at: number;
  /** How many earlier changes of this key were folded into this one because the reader was slow. */
  readonly folded: number;
}

export type Change = { readonly type: "synced" } | KeyChange;
