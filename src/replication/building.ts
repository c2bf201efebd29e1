/**
 * An empty host builds its store from an image while the image comes: one chunk is read, or one slice put in
 * place, per turn of the event loop. What others write waits meanwhile, for until the last chunk is in place the
 * store stands for nothing; if the image breaks off, all of it goes again, in slices too.
 */
import { TidemarkError } from "../errors.ts";
import type { ChunkHeader } from "./image-codec.ts";
import type { ImageBuild } from "./node.ts";

export interface BuildingPorts {
  /** Runs a task after the current turn. */
  defer(task: () => void): void;
  /** A chunk is in place. */
  placed(): void;
  /** The last one is: so many events were gained. */
  finished(events: number): void;
  /** A chunk cannot be read; what is here is being taken out. */
  failed(error: TidemarkError): void;
}

export class Building {
  readonly #build: ImageBuild;
  readonly #ports: BuildingPorts;
  readonly #chunks: ChunkHeader[];
  #doing: "waits" | "places" | "takes out" | "done" = "waits";
  #scheduled = false;
  /** The chunk that is read and not yet wholly in place. */
  #placing: ChunkHeader | undefined;

  /** `chunks`: where they come in; each leaves when it is worked off. */
  constructor(build: ImageBuild, chunks: ChunkHeader[], ports: BuildingPorts) {
    this.#build = build;
    this.#chunks = chunks;
    this.#ports = ports;
  }

  /** Whether the store holds what it does not yet stand for. */
  get active(): boolean {
    return this.#doing !== "done";
  }

  /** A chunk has come in. */
  came(): void {
    if (this.#doing !== "waits") return;
    this.#doing = "places";
    this.#schedule();
  }

  /** The image will not come to its end. */
  discard(): void {
    if (this.#doing === "takes out" || this.#doing === "done") return;
    this.#chunks.length = 0;
    this.#build.discard();
    this.#doing = "takes out";
    this.#schedule();
  }

  /** Nobody will ask any more. */
  stop(): void {
    this.#doing = "done";
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#doing === "takes out") {
      if (this.#build.step()) this.#schedule();
      else this.#doing = "done";
      return;
    }
    if (this.#doing !== "places") return;
    if (this.#build.step()) this.#schedule();
    else if (this.#placing !== undefined) this.#placed(this.#placing);
    else this.#read();
  }

  #read(): void {
    const chunk = this.#chunks[0];
    if (chunk === undefined) {
      this.#doing = "waits";
      return;
    }
    try {
      this.#build.add(chunk);
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      this.discard();
      this.#ports.failed(error);
      return;
    }
    this.#placing = chunk;
    this.#schedule();
  }

  #placed(chunk: ChunkHeader): void {
    this.#placing = undefined;
    this.#chunks.shift();
    if (chunk.last) {
      this.#doing = "done";
      this.#ports.finished(this.#build.finish());
      return;
    }
    this.#ports.placed();
    this.#schedule();
  }
}
