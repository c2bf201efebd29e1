/**
 * A disk whose machine may lose its power at any moment: of what was written and not synced some prefix is left, a
 * rename that was under way has happened or has not, and nobody hears of what was asked. Now and then it fails, and
 * now and then it damages what lies on it.
 */
import type { Disk, ReadableFile, WritableFile } from "../../src/checkpoint/disk.ts";
import type { Settings } from "../../src/options.ts";
import type { Random } from "../../src/testing/random.ts";

interface File {
  bytes: Uint8Array;
  /** So many of them outlive a power cut. */
  synced: number;
}

export interface DiskFaults {
  /** How long an operation takes, at most. */
  readonly latencyMs: number;
  /** Probability that an operation that changes something fails. */
  readonly failure: number;
  /** Probability that a file is damaged while nobody looks. */
  readonly damage: number;
}

export class VirtualDisk {
  readonly files = new Map<string, File>();
  readonly #after: (delayMs: number, task: () => void) => void;
  readonly #random: Random;
  readonly #faults: DiskFaults;
  #boot = 0;
  #renaming: { from: string; to: string } | undefined;
  /** Files that were damaged while nobody looked. */
  damaged = 0;

  constructor(after: (delayMs: number, task: () => void) => void, random: Random, faults: DiskFaults) {
    this.#after = after;
    this.#random = random;
    this.#faults = faults;
  }

  /** The disk as the next process finds it; whatever used it before is dead. */
  boot(): Disk {
    const boot = ++this.#boot;
    const renaming = this.#renaming;
    const comesAbout = renaming !== undefined && this.#random.chance(0.5);
    if (comesAbout && this.files.has(renaming.from)) this.#rename(renaming);
    this.#renaming = undefined;
    for (const file of this.files.values()) this.#lose(file);
    return {
      open: async (path) => {
        await this.#done(boot);
        const file = this.files.get(path);
        return file === undefined ? undefined : this.#readable(file.bytes, boot);
      },
      create: async (path) => {
        await this.#done(boot, "EACCES");
        const file = { bytes: new Uint8Array(0), synced: 0 };
        this.files.set(path, file);
        return this.#writable(file, boot);
      },
      rename: async (from, to) => {
        this.#renaming = { from, to };
        await this.#done(boot, "EPERM").finally(() => {
          if (boot === this.#boot) this.#renaming = undefined;
        });
        // Whether the rename of one that has died came about is decided when it starts again.
        if (boot === this.#boot) this.#rename({ from, to });
      },
      remove: async (path) => {
        await this.#done(boot);
        this.files.delete(path);
      },
      beside: async (path) => {
        await this.#done(boot);
        return [...this.files.keys()].filter((name) => name.startsWith(path));
      },
    };
  }

  /** Resolves when an operation is done; never for one whose process has died. */
  #done(boot: number, error?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#after(this.#faults.latencyMs * this.#random.next(), () => {
        if (boot !== this.#boot) return;
        const fails = error !== undefined && this.#random.chance(this.#faults.failure);
        if (fails) reject(Object.assign(new Error(`${error}: the disk will not`), { code: error }));
        else resolve();
      });
    });
  }

  #readable(bytes: Uint8Array, boot: number): ReadableFile {
    let position = 0;
    return {
      size: bytes.length,
      read: async (length) => {
        await this.#done(boot);
        position += length;
        return bytes.slice(position - length, position);
      },
      close: () => this.#done(boot),
    };
  }

  #writable(file: File, boot: number): WritableFile {
    return {
      write: async (bytes) => {
        // Part of it is there before all of it is.
        const before = file.bytes;
        file.bytes = Buffer.concat([before, bytes.subarray(0, this.#random.integer(0, bytes.length))]);
        await this.#done(boot, "ENOSPC");
        file.bytes = Buffer.concat([before, bytes]);
      },
      sync: async () => {
        await this.#done(boot, "EIO");
        file.synced = file.bytes.length;
      },
      close: () => this.#done(boot),
    };
  }

  #rename({ from, to }: { from: string; to: string }): void {
    const file = this.files.get(from);
    if (file === undefined) throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" });
    this.files.delete(from);
    this.files.set(to, file);
  }

  #lose(file: File): void {
    const random = this.#random;
    file.bytes = file.bytes.slice(0, random.integer(file.synced, file.bytes.length));
    file.synced = file.bytes.length;
    if (file.bytes.length === 0 || !random.chance(this.#faults.damage)) return;
    this.damaged++;
    const at = random.integer(0, file.bytes.length - 1);
    const how = random.next();
    if (how < 0.4) file.bytes = file.bytes.slice(0, at);
    else if (how < 0.8) file.bytes[at]! ^= 1 << random.integer(0, 7);
    else if (how < 0.9) file.bytes = Buffer.concat([file.bytes, file.bytes.subarray(at)]);
    else file.bytes.fill(0, at);
    file.synced = file.bytes.length;
  }
}

/** In a third of the runs hosts keep checkpoints, in many small pieces. */
export function drawCheckpoint(random: Random): Partial<Settings> {
  if (!random.chance(0.35)) return {};
  const everyMs = Math.round(random.magnitude(100, 5_000));
  return { checkpoint: { path: "/kept", everyMs, chunkBytes: random.integer(1, 400) } };
}

export function drawDiskFaults(random: Random): DiskFaults {
  return {
    latencyMs: random.magnitude(0.01, 50),
    failure: random.chance(0.6) ? 0 : random.magnitude(0.001, 0.1),
    damage: random.chance(0.6) ? 0 : random.magnitude(0.02, 0.5),
  };
}
