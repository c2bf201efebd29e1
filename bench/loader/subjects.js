/**
 * Read-through caches people use, each in front of one function that counts its calls and takes a millisecond,
 * as a database near by does. All keep values in memory without end.
 */
import { createCache } from "async-cache-dedupe";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { Cacheable } from "cacheable";
import DataLoader from "dataloader";
import { LRUCache } from "lru-cache";
import { open } from "../../dist/index.js";

export const PACKAGES = ["lru-cache", "bentocache", "async-cache-dedupe", "cacheable", "dataloader"];

/** What a subject reads through: how often it was called, and for how many keys. */
export function countedSource() {
  const source = {
    calls: 0,
    keys: 0,
    load: async (key) => {
      source.calls++;
      source.keys++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return `value of ${key}`;
    },
    loadMany: async (keys) => {
      source.calls++;
      source.keys += keys.length;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return keys.map((key) => `value of ${key}`);
    },
  };
  return source;
}

/** Each: from a source to a function from a key to its value, and what ends it. */
export const SUBJECTS = {
  tidemark: async (source) => {
    const kv = await open({ upstream: source.load });
    return { get: (key) => kv.getOrLoad(key), end: () => kv.close() };
  },
  "tidemark, loadMany": async (source) => {
    const loadMany = async (keys) => {
      const values = await source.loadMany(keys);
      return new Map(keys.map((key, index) => [key, values[index]]));
    };
    const kv = await open({ upstream: { load: source.load, loadMany } });
    return { get: (key) => kv.getOrLoad(key), end: () => kv.close() };
  },
  "lru-cache fetch": async (source) => {
    const cache = new LRUCache({ max: 1_000_000, fetchMethod: (key) => source.load(key) });
    return { get: (key) => cache.fetch(key), end: async () => undefined };
  },
  "async-cache-dedupe": async (source) => {
    const cache = createCache({ ttl: 3_600, storage: { type: "memory", options: { size: 1_000_000 } } });
    cache.define("row", (key) => source.load(key));
    return { get: (key) => cache.row(key), end: async () => undefined };
  },
  bentocache: async (source) => {
    const cache = new BentoCache({
      default: "memory",
      stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 1_000_000 })) },
    });
    return {
      get: (key) => cache.getOrSet({ key, factory: () => source.load(key), ttl: "1h" }),
      end: () => cache.disconnectAll(),
    };
  },
  "cacheable wrap": async (source) => {
    const cache = new Cacheable();
    const get = cache.wrap((key) => source.load(key), { ttl: "1h", keyPrefix: "row" });
    return { get, end: () => cache.disconnect() };
  },
  dataloader: async (source) => {
    const loader = new DataLoader((keys) => source.loadMany(keys));
    return { get: (key) => loader.load(key), end: async () => undefined };
  },
};
