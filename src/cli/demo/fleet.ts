/** The host processes of the demo: started, asked, killed, and never left behind. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { OrderName, Orders, Reply, Request } from "./orders.ts";

/** The worker is beside this file, compiled as this file is. */
const WORKER = fileURLToPath(new URL(import.meta.url.replace(/fleet(\.\w+)$/, "worker$1"), import.meta.url));

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** One start of a host. */
export class HostProcess {
  readonly name: string;
  /** Which start of this host it is, from 1. */
  readonly start: number;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: string | undefined;

  constructor(name: string, start: number) {
    this.name = name;
    this.start = start;
    this.#child = fork(WORKER, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (reply: Reply) => this.#onReply(reply));
    this.#child.on("error", (error) => this.#onEnd(error.message));
    this.#child.on("exit", (code, signal) => this.#onEnd(`its process ended with ${signal ?? code}`));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Orders something and settles with the answer; rejects when the process ends before it. */
  ask<Name extends OrderName>(name: Name, takes: Orders[Name]["takes"]): Promise<Orders[Name]["answers"]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#gone());
        return;
      }
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      const request: Request<Name> = { id, name, takes };
      this.#child.send(request, (error) => {
        if (error !== null) this.#settle(id)?.reject(error);
      });
    });
  }

  /** Ends it by SIGKILL and settles when it has ended. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.pid === undefined) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  #onReply(reply: Reply): void {
    const waiting = this.#settle(reply.id);
    if ("failure" in reply) waiting?.reject(new Error(`host ${this.name}: ${reply.failure}`));
    else waiting?.resolve(reply.answer as never);
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #onEnd(reason: string): void {
    this.#ended ??= reason;
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#gone());
  }

  #gone(): Error {
    return new Error(`host ${this.name}: ${this.#ended}`);
  }
}

/** All hosts by name; a host that is started again takes the place of its earlier start. */
export class Fleet {
  readonly #hosts = new Map<string, HostProcess>();
  readonly #connection: { readonly nats: string; readonly namespace: string };

  constructor(connection: { nats: string; namespace: string }) {
    this.#connection = connection;
  }

  get namespace(): string {
    return this.#connection.namespace;
  }

  get all(): readonly HostProcess[] {
    return [...this.#hosts.values()];
  }

  host(name: string): HostProcess {
    return this.#hosts.get(name)!;
  }

  others(name: string): readonly HostProcess[] {
    return this.all.filter((host) => host.name !== name);
  }

  /** Starts a host and settles when it is ready; `tookMs` is from the fork of its process on. */
  async start(name: string): Promise<{ host: HostProcess; tookMs: number } & Orders["open"]["answers"]> {
    const startedAt = performance.now();
    const host = new HostProcess(name, (this.#hosts.get(name)?.start ?? 0) + 1);
    this.#hosts.set(name, host);
    const opened = await host.ask("open", { ...this.#connection, node: name });
    return { host, tookMs: performance.now() - startedAt, ...opened };
  }

  /** Asks every host the same. */
  askAll<Name extends OrderName>(
    name: Name,
    takes: Orders[Name]["takes"],
  ): Promise<Orders[Name]["answers"][]> {
    return Promise.all(this.all.map((host) => host.ask(name, takes)));
  }

  async killAll(): Promise<void> {
    await Promise.all(this.all.map((host) => host.kill()));
  }
}
