/** What a checkpoint needs of a disk: the real one here, one that tears and forgets in the simulation. */
import { open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** A file that is being read from its beginning. */
export interface ReadableFile {
  /** Bytes in all. */
  readonly size: number;
  /** The next bytes; fewer than asked for only where the file ends. */
  read(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file that is being written from its beginning. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when what was written outlives a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Everything rejects as `node:fs` does. */
export interface Disk {
  /** `undefined`: there is no such file. */
  open(path: string): Promise<ReadableFile | undefined>;
  /** A new, empty file, for its owner alone to read; one that is there is emptied. */
  create(path: string): Promise<WritableFile>;
  /** Gives a file another name, at once and for good; what had that name is gone. */
  rename(from: string, to: string): Promise<void>;
  /** Does nothing where there is none. */
  remove(path: string): Promise<void>;
  /** Files in the folder of `path` whose names begin with its name. */
  beside(path: string): Promise<readonly string[]>;
}

/** The disk of this machine. */
export function systemDisk(): Disk {
  return {
    open: async (path) => {
      const file = await ifThere(open(path, "r"));
      if (file === undefined) return undefined;
      const { size } = await file.stat();
      return {
        size,
        read: async (length) => {
          const bytes = new Uint8Array(length);
          let filled = 0;
          while (filled < length) {
            const { bytesRead } = await file.read(bytes, filled, length - filled);
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return bytes.subarray(0, filled);
        },
        close: () => file.close(),
      };
    },
    create: async (path) => {
      const file = await open(path, "w", 0o600);
      return {
        write: async (bytes) => {
          for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
        },
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
    rename: async (from, to) => {
      await rename(from, to);
      // The name is an entry of the folder, which is a file of its own.
      const folder = await open(dirname(to), "r");
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    remove: async (path) => {
      await ifThere(unlink(path));
    },
    beside: async (path) => {
      const names = (await ifThere(readdir(dirname(path)))) ?? [];
      return names.filter((name) => name.startsWith(basename(path))).map((name) => join(dirname(path), name));
    },
  };
}

async function ifThere<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
