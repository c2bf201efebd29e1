/** What a host has to do so that its data outlive it: load at the start, save every so often and at the end. */

import { VersionVector } from "./causality/version-vector.ts";
import { Checkpointer, type CheckpointStatus } from "./checkpoint/checkpointer.ts";
import type { Disk } from "./checkpoint/disk.ts";
import type { Settings } from "./options.ts";
import type { Replica } from "./replication/node.ts";
import type { ReplicationEvent } from "./replication/replication-event.ts";
import type { HostState } from "./status.ts";
import type { Store } from "./store/store.ts";
import type { World } from "./world.ts";

export interface KeepingPorts {
  readonly store: Store;
  readonly replica: Replica;
  readonly world: World;
  readonly disk: Disk | undefined;
  readonly incarnation: string;
  state(): HostState;
  tell(event: ReplicationEvent): void;
  /** What was kept is loaded, if it could be. */
  loaded(): void;
}

const NOTHING_SEEN = new VersionVector();

export class Keeping {
  readonly #ports: KeepingPorts;
  readonly #checkpointer: Checkpointer;
  readonly #opened: Promise<void>;
  #loading = true;
  /** Whether what is here was ever as much as the others had: less is not to replace what was kept before. */
  #caughtUp = false;

  private constructor(settings: NonNullable<Settings["checkpoint"]>, namespace: string, ports: KeepingPorts) {
    const { disk, world, store, replica, incarnation } = ports;
    if (disk === undefined) throw new TypeError("a checkpoint takes a disk");
    this.#ports = ports;
    this.#checkpointer = new Checkpointer(settings, {
      disk,
      origins: store.origins,
      namespace,
      incarnation,
      now: () => world.now(),
      monotonic: () => world.monotonic(),
      defer: (task) => world.defer(task),
      openImage: () => replica.openImage(NOTHING_SEEN, undefined),
      version: () => store.vector.hash(store.origins),
      build: () => replica.build(),
      tell: (event) => ports.tell({ ...event, at: world.now() }),
    });
    this.#opened = this.#load();
  }

  /** `undefined`: the host was not asked to keep anything. */
  static of({ checkpoint, namespace }: Settings, ports: KeepingPorts): Keeping | undefined {
    return checkpoint === undefined ? undefined : new Keeping(checkpoint, namespace, ports);
  }

  /** Whether what was kept is still being loaded: until then the host neither writes nor talks to others. */
  get loading(): boolean {
    return this.#loading;
  }

  /** Resolves when what was kept is loaded, or known not to be. */
  opened(): Promise<void> {
    return this.#opened;
  }

  tick(): void {
    const state = this.#ports.state();
    if (this.#loading || (state !== "ready" && state !== "standalone")) return;
    this.#caughtUp = true;
    this.#checkpointer.tick();
  }

  /** Saves what is held at the end. Rejects `CHECKPOINT_FAILED`. */
  async saveLast(): Promise<void> {
    if (this.#caughtUp) await this.#checkpointer.saveLast();
  }

  stop(): void {
    this.#checkpointer.stop();
  }

  status(): CheckpointStatus {
    return this.#checkpointer.status();
  }

  async #load(): Promise<void> {
    await this.#checkpointer.load();
    this.#loading = false;
    // Nobody else has more.
    this.#caughtUp = this.#ports.state() === "standalone";
    if (this.#ports.state() !== "closed") this.#ports.loaded();
  }
}
