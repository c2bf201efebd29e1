/**
 * The stores that are measured, behind one face of plain functions: `get`, `set`, `setTtl`, `increment`, `setAdd`.
 * What a store cannot do is absent. Those of which `isAsync` is true answer with promises, as they do to everybody.
 */

/** Long enough that nothing expires while it is measured. */
export const TTL_MS = 3_600_000;

export const PACKAGES = ["lru-cache", "@isaacs/ttlcache", "quick-lru", "keyv", "cacheable", "bentocache"];

/** By name: a bounded store of so many keys. */
export const SUBJECTS = {
  tidemark: (max) => tidemark({ maxEntries: max, ttl: TTL_MS }),
  "tidemark, replicated writer": () => replicatedWriter(),
  Map: async () => {
    const map = new Map();
    return onTopOf({
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, value),
      size: () => map.size,
    });
  },
  "lru-cache {max}": async (max) => {
    const { LRUCache } = await import("lru-cache");
    return lruCache(new LRUCache({ max }));
  },
  "lru-cache {max,ttl}": async (max) => {
    const { LRUCache } = await import("lru-cache");
    return lruCache(new LRUCache({ max, ttl: TTL_MS }));
  },
  "@isaacs/ttlcache": async (max) => {
    const { TTLCache } = await import("@isaacs/ttlcache");
    const cache = new TTLCache({ max, ttl: TTL_MS });
    return onTopOf({
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      setTtl: (key, value, ttl) => cache.set(key, value, { ttl }),
      size: () => cache.size,
    });
  },
  "quick-lru": async (max) => {
    const { default: QuickLRU } = await import("quick-lru");
    const cache = new QuickLRU({ maxSize: max, maxAge: TTL_MS });
    return onTopOf({
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      setTtl: (key, value, maxAge) => cache.set(key, value, { maxAge }),
      size: () => cache.size,
    });
  },
  keyv: async () => {
    const { Keyv } = await import("keyv");
    const cache = new Keyv({ ttl: TTL_MS });
    return promising({
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      setTtl: (key, value, ttl) => cache.set(key, value, ttl),
    });
  },
  cacheable: async () => {
    const { Cacheable } = await import("cacheable");
    const cache = new Cacheable({ ttl: TTL_MS });
    return promising({
      get: (key) => cache.get(key),
      set: (key, value) => cache.set(key, value),
      setTtl: (key, value, ttl) => cache.set(key, value, ttl),
    });
  },
  bentocache: async (max) => {
    const { BentoCache, bentostore } = await import("bentocache");
    const { memoryDriver } = await import("bentocache/drivers/memory");
    const memory = bentostore().useL1Layer(memoryDriver({ maxItems: max, serialize: false }));
    const cache = new BentoCache({ default: "memory", ttl: TTL_MS, stores: { memory } });
    return promising({
      get: (key) => cache.get({ key }),
      set: (key, value) => cache.set({ key, value }),
      setTtl: (key, value, ttl) => cache.set({ key, value, ttl }),
    });
  },
};

/** Those that hold all keys of a very large run within the memory of an ordinary machine. */
export const LEAN = [
  "tidemark",
  "tidemark, replicated writer",
  "Map",
  "lru-cache {max}",
  "lru-cache {max,ttl}",
];

/** A standalone host. */
export async function tidemark(options) {
  const { open } = await import("../../dist/index.js");
  return faceOf(await open(options));
}

/** A host that writes into a network without anybody in it. */
async function replicatedWriter() {
  const { createHost } = await import("../../dist/host.js");
  const { resolveSettings } = await import("../../dist/options.js");
  const { systemWorld } = await import("../../dist/world.js");
  const settings = resolveSettings({ namespace: "bench", node: "writer", ttl: TTL_MS, joinWait: 20 });
  const host = createHost(settings, systemWorld(), discarding());
  await host.ready();
  return { ...faceOf(host), turns: true };
}

function discarding() {
  return {
    connected: true,
    maxMessageBytes: 1024 * 1024,
    start: (_self, listener) => setImmediate(() => listener.connected()),
    publish: () => undefined,
    flush: (done) => setImmediate(() => done()),
    close: async () => undefined,
  };
}

function faceOf(host) {
  return {
    host,
    get: (key) => host.get(key),
    set: (key, value) => host.set(key, value),
    setTtl: (key, value, ttl) => host.set(key, value, { ttl }),
    increment: (key) => host.increment(key),
    setAdd: (key, member) => host.setAdd(key, member),
    size: () => host.size,
  };
}

function lruCache(cache) {
  return onTopOf({
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value),
    setTtl: (key, value, ttl) => cache.set(key, value, { ttl }),
    size: () => cache.size,
  });
}

/** Counters and sets as one makes them on top of a store that has neither. */
function onTopOf(store) {
  return {
    ...store,
    increment: (key) => store.set(key, (store.get(key) ?? 0) + 1),
    setAdd: (key, member) => {
      const members = store.get(key);
      if (members === undefined) store.set(key, new Set([member]));
      else members.add(member);
    },
  };
}

function promising(store) {
  return {
    ...store,
    isAsync: true,
    increment: async (key) => store.set(key, ((await store.get(key)) ?? 0) + 1),
  };
}
