/**
 * Keeps a checkpoint of what a host holds, and loads it at its next start. A new one is written beside the old one,
 * in the background, an exact image as of one vector; it takes the old one's place when it is wholly on the disk. So
 * at every moment there is one whole file or none, whatever ends the process. What fails is told and tried again;
 * what is in memory never depends on it.
 */
import type { Origins } from "../causality/origins.ts";
import { TidemarkError } from "../errors.ts";
import type { ChunkHeader } from "../replication/image-codec.ts";
import type { ImageBuild } from "../replication/node.ts";
import type { Told } from "../replication/replication-event.ts";
import type { ImageSource } from "../replication/state-sync.ts";
import type { Disk, ReadableFile, WritableFile } from "./disk.ts";
import { RefusedFile, readImage, writeImage } from "./image-file.ts";

/** A checkpoint that failed is tried again after this long at first, then twice as long, milliseconds. */
const RETRY_MS = 1_000;
const UNFINISHED = ".writing";
const DAMAGED = ".damaged";

export interface CheckpointSettings {
  readonly path: string;
  readonly everyMs: number;
  /** What is read of the store in one turn while one is written, in bytes, about. */
  readonly chunkBytes: number;
}

/** How it stands with checkpoints. Times are the wall clock, milliseconds since 1970. */
export interface CheckpointStatus {
  readonly path: string;
  readonly everyMs: number;
  /** Written since start. */
  readonly saved: number;
  readonly lastSavedAt: number | undefined;
  readonly lastBytes: number;
  readonly lastTookMs: number;
  /** Failed in a row, and why the last one did. */
  readonly failures: number;
  readonly error: TidemarkError | undefined;
  /** Events that were loaded at the start; `undefined`: nothing was. */
  readonly loadedEvents: number | undefined;
  /** Why what was found at the start could not be taken. */
  readonly refused: TidemarkError | undefined;
}

export interface CheckpointPorts {
  readonly disk: Disk;
  readonly origins: Origins;
  readonly namespace: string;
  readonly incarnation: string;
  now(): number;
  monotonic(): number;
  defer(task: () => void): void;
  /** An exact image of what is held now. */
  openImage(): ImageSource;
  /** What the image would be of: as long as it stays the same there is nothing new to write. */
  version(): string;
  build(): ImageBuild | undefined;
  tell(event: Told): void;
}

export class Checkpointer {
  readonly #settings: CheckpointSettings;
  readonly #ports: CheckpointPorts;
  readonly #unfinished: string;
  #saving: Promise<void> | undefined;
  #nextAt: number;
  #savedVersion: string | undefined;
  #images = 0;
  #stopped = false;
  /** What is there is somebody else's: it is not written over. */
  #foreign = false;
  #status: Omit<CheckpointStatus, "path" | "everyMs">;

  constructor(settings: CheckpointSettings, ports: CheckpointPorts) {
    this.#settings = settings;
    this.#ports = ports;
    // A name of its own: the process before this one may still be writing its last.
    this.#unfinished = `${settings.path}.${ports.incarnation}${UNFINISHED}`;
    this.#nextAt = ports.monotonic() + settings.everyMs;
    this.#status = {
      saved: 0,
      lastSavedAt: undefined,
      lastBytes: 0,
      lastTookMs: 0,
      failures: 0,
      error: undefined,
      loadedEvents: undefined,
      refused: undefined,
    };
  }

  status(): CheckpointStatus {
    const { path, everyMs } = this.#settings;
    return { path, everyMs, ...this.#status };
  }

  /**
   * Takes over what the last start left, into an empty store. A file that cannot be taken leaves the store empty, is
   * named in the status, and moved aside if it is damaged. Never rejects.
   */
  async load(): Promise<void> {
    const { path } = this.#settings;
    const { disk, tell, monotonic } = this.#ports;
    const startedAt = monotonic();
    try {
      for (const name of await disk.beside(path)) {
        if (name.endsWith(UNFINISHED) && name !== this.#unfinished) await disk.remove(name);
      }
      const file = await disk.open(path);
      if (file === undefined) return;
      const events = await this.#take(file).finally(() => file.close());
      this.#status = { ...this.#status, loadedEvents: events };
      this.#savedVersion = this.#ports.version();
      tell({ type: "checkpoint-loaded", path, events, tookMs: monotonic() - startedAt });
    } catch (error) {
      await this.#refuse(error as Error);
    }
  }

  /** Called every few milliseconds, while what is held is worth keeping. */
  tick(): void {
    if (this.#saving !== undefined || this.#ports.monotonic() < this.#nextAt) return;
    if (this.#savedVersion === this.#ports.version()) {
      this.#nextAt = this.#ports.monotonic() + this.#settings.everyMs;
      return;
    }
    this.#start();
  }

  /** Writes what is held now, if it is not on the disk already. Rejects `CHECKPOINT_FAILED`. */
  async saveLast(): Promise<void> {
    await this.#saving;
    if (this.#savedVersion === this.#ports.version()) return;
    await this.#start();
    if (this.#status.error !== undefined) throw this.#status.error;
  }

  /** Nothing is begun any more; what is being written is given up. */
  stop(): void {
    this.#stopped = true;
  }

  #start(): Promise<void> {
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { path, everyMs } = this.#settings;
    const { now, monotonic, version, tell } = this.#ports;
    const startedAt = monotonic();
    const saving = version();
    try {
      const bytes = await this.#write();
      if (bytes === undefined) return;
      const tookMs = monotonic() - startedAt;
      this.#savedVersion = saving;
      this.#nextAt = startedAt + Math.max(everyMs, 2 * tookMs);
      const { saved } = this.#status;
      const last = { lastSavedAt: now(), lastBytes: bytes, lastTookMs: tookMs };
      this.#status = { ...this.#status, ...last, saved: saved + 1, failures: 0, error: undefined };
      tell({ type: "checkpoint", path, bytes, tookMs });
    } catch (cause) {
      this.#failed(cause as Error);
    }
  }

  /** Resolves to the bytes written; `undefined` if it was given up. */
  async #write(): Promise<number | undefined> {
    const { path, chunkBytes } = this.#settings;
    const { disk, origins, namespace, incarnation, defer, openImage } = this.#ports;
    if (this.#foreign) throw this.#status.refused!;
    const file = await disk.create(this.#unfinished);
    const source = openImage();
    try {
      const bytes = await writeImage(source, {
        file,
        session: `${incarnation}-${++this.#images}`,
        namespace,
        origins,
        chunkBytes,
        nextTurn: () => this.#nextTurn(defer),
      });
      await file.sync();
      await file.close();
      await disk.rename(this.#unfinished, path);
      return bytes;
    } catch (error) {
      source.end();
      await this.#giveUp(file);
      if (this.#stopped) return undefined;
      throw error;
    }
  }

  async #giveUp(file: WritableFile): Promise<void> {
    const { disk } = this.#ports;
    // What it could not write, or was not to, it cannot close or remove either at times; the next start removes it.
    await file.close().catch(() => undefined);
    await disk.remove(this.#unfinished).catch(() => undefined);
  }

  /** Ends what is being written once the host has been stopped. */
  async #nextTurn(defer: (task: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => defer(resolve));
    if (this.#stopped) throw new Error("the host was closed");
  }

  #failed(cause: Error): void {
    const { path } = this.#settings;
    const { monotonic, tell } = this.#ports;
    const failures = this.#status.failures + 1;
    this.#nextAt = monotonic() + Math.min(this.#settings.everyMs, RETRY_MS * 2 ** Math.min(failures, 16));
    const error = new TidemarkError("CHECKPOINT_FAILED", this.#whyFailed(cause), { cause });
    this.#status = { ...this.#status, failures, error };
    tell({ type: "checkpoint-failed", path, detail: error.message });
  }

  #whyFailed(cause: Error): string {
    const { path } = this.#settings;
    if (this.#foreign) return `no checkpoint is written, for ${cause.message}`;
    const advice: Readonly<Record<string, string>> = {
      ENOSPC: "make room on that disk",
      EDQUOT: "make room on that disk, or raise the quota",
      EACCES: "let this process write in that folder",
      EPERM: "let this process write in that folder",
      EROFS: "name a folder that is not read-only",
      ENOENT: "make the folder it is in",
    };
    const { code = "" } = cause as NodeJS.ErrnoException;
    const todo = advice[code] ?? "see what is wrong with that disk";
    return `the checkpoint ${path} could not be written (${cause.message}); ${todo}. It is tried again, and what is in memory is all there`;
  }

  /** Builds the store from a file, a slice per turn. Resolves to the events gained. */
  async #take(file: ReadableFile): Promise<number> {
    const { namespace, build: begin, defer } = this.#ports;
    const build = begin();
    if (build === undefined) throw new TypeError("a checkpoint is loaded into an empty store");
    const turns = async (): Promise<void> => {
      while (build.step()) await this.#nextTurn(defer);
    };
    try {
      for await (const chunk of readImage(file, namespace)) {
        addChunk(build, chunk);
        await turns();
      }
      return build.finish();
    } catch (error) {
      build.discard();
      await turns();
      throw error;
    }
  }

  async #refuse(cause: Error): Promise<void> {
    if (this.#stopped) return;
    const { path } = this.#settings;
    const { disk, tell } = this.#ports;
    let aside = "; it is left where it is";
    if (cause instanceof RefusedFile && cause.damaged) {
      // The one before it goes: what is damaged is kept to be looked at, and does not pile up.
      const moved = await disk.rename(path, path + DAMAGED).then(
        () => true,
        () => false,
      );
      if (moved) aside = `; it was moved to ${path}${DAMAGED}`;
    } else this.#foreign = cause instanceof RefusedFile;
    const todo = this.#foreign ? ": give this host another path, or move that file away" : "";
    const detail = `the checkpoint ${path} is not taken: ${cause.message}${aside}${todo}`;
    const refused = new TidemarkError("CHECKPOINT_REFUSED", detail, { cause });
    this.#status = { ...this.#status, refused };
    tell({ type: "checkpoint-refused", path, detail });
  }
}

function addChunk(build: ImageBuild, chunk: ChunkHeader): void {
  try {
    build.add(chunk);
  } catch (cause) {
    // Its checksum is right, so it is what was written.
    const why =
      "it holds what this host may not take; give it the maxKeyBytes and maxValueBytes of the one that wrote it";
    throw new RefusedFile(why, false, { cause });
  }
}
