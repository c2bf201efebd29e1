/** Typed values over an upstream of text and bytes. CBOR by `cbor-x` unless another codec is given. */
import { Decoder, Encoder } from "cbor-x";
import type { CallOptions, Mutation, Row, Stored, Upstream } from "./upstream.ts";

/** Makes what is stored of a value, and the value of what is stored. Throws where it cannot. */
export interface Codec<V> {
  encode(value: V): Stored;
  decode(stored: Uint8Array): V;
}

/** Standard CBOR (RFC 8949), readable by every other language: no records, no extensions. */
export function cbor<V>(): Codec<V> {
  const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });
  const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
  return {
    // A copy: the encoder hands out a part of a buffer that it writes to again.
    encode: (value) => new Uint8Array(encoder.encode(value)),
    decode: (stored) => decoder.decode(stored) as V,
  };
}

/** A put of a typed value, or a deletion. */
export type TypedMutation<V> =
  | (Omit<Extract<Mutation, { type: "put" }>, "value"> & { readonly value: V })
  | Extract<Mutation, { type: "delete" }>;

/** An upstream that deals in values of a type; see `Upstream` for what each method promises. */
export interface TypedUpstream<V> {
  load(key: string, options: CallOptions): V | undefined | PromiseLike<V | undefined>;
  loadMany?(
    keys: readonly string[],
    options: CallOptions,
  ): ReadonlyMap<string, V> | PromiseLike<ReadonlyMap<string, V>>;
  commit?(
    batch: readonly TypedMutation<V>[],
    options: CallOptions,
  ): readonly string[] | void | PromiseLike<readonly string[] | void>;
  retryable?(error: unknown): boolean;
  close?(): void | PromiseLike<void>;
}

/**
 * An upstream of typed values: what `load` returns is encoded for the store, and `getOrLoad` and `update`
 * show it decoded. A plain function will do.
 */
export function typed<V>(
  given: TypedUpstream<V> | TypedUpstream<V>["load"],
  codec: Codec<V> = cbor<V>(),
): Upstream<V> {
  const upstream: TypedUpstream<V> = typeof given === "function" ? { load: given } : given;
  const row = (value: V | undefined): Row | undefined =>
    value === undefined ? undefined : { value: codec.encode(value) };
  const made: { -readonly [K in keyof Upstream<V>]: Upstream<V>[K] } = {
    codec,
    load: async (key, options) => row(await upstream.load(key, options)),
  };
  if (upstream.loadMany !== undefined) {
    made.loadMany = async (keys, options) => {
      const values = await upstream.loadMany!(keys, options);
      return new Map(Array.from(values, ([key, value]) => [key, row(value)]));
    };
  }
  if (upstream.commit !== undefined) {
    made.commit = (batch, options) =>
      upstream.commit!(
        batch.map((mutation) =>
          mutation.type === "delete"
            ? mutation
            : { ...mutation, value: codec.decode(bytesOf(mutation.value)) },
        ),
        options,
      );
  }
  if (upstream.retryable !== undefined) made.retryable = (error) => upstream.retryable!(error);
  if (upstream.close !== undefined) made.close = () => upstream.close!();
  return made;
}

const utf8 = new TextEncoder();

/** What is stored, as bytes: the store keeps bytes that happen to be text as text. */
export function bytesOf(stored: Stored): Uint8Array {
  return typeof stored === "string" ? utf8.encode(stored) : stored;
}
