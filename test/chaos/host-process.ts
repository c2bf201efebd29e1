/** A host process as the test holds it: started, asked, stopped, killed, and never left behind. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { OrderName, Orders, Reply, Request } from "./orders.ts";

const SCRIPT = fileURLToPath(new URL("./host.ts", import.meta.url));
const NODE_OPTIONS = ["--import", "tsx", "--expose-gc", "--max-old-space-size=2048"];

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

export class HostProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: string | undefined;
  #stopped = false;
  #killed = false;
  #stderr = "";

  /** `prefix`: a program to run it under, as `["ip", "netns", "exec", name]`. */
  constructor(name: string, prefix: readonly string[] = []) {
    this.name = name;
    const [program, ...args] = prefix;
    this.#child =
      program === undefined
        ? fork(SCRIPT, [], {
            execArgv: NODE_OPTIONS,
            serialization: "advanced",
            stdio: ["ignore", "ignore", "pipe", "ipc"],
          })
        : spawn(program, [...args, process.execPath, ...NODE_OPTIONS, SCRIPT], {
            serialization: "advanced",
            stdio: ["ignore", "ignore", "pipe", "ipc"],
          });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-16_384);
    });
    this.#child.on("message", (reply: Reply) => this.#onReply(reply));
    this.#child.on("error", (error) => this.#onEnd(error.message));
    this.#child.on("exit", (code, signal) => this.#onEnd(`ended with ${signal ?? code}\n${this.#stderr}`));
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Orders not yet answered. */
  get unanswered(): number {
    return this.#waiting.size;
  }

  /** Why it ended though nobody killed it; `undefined` if it did not. */
  get crashed(): string | undefined {
    return this.#killed ? undefined : this.#ended;
  }

  /** Orders something and settles with the answer; rejects with `HostGone` when the process ends before it. */
  ask<Name extends OrderName>(name: Name, takes: Orders[Name]["takes"]): Promise<Orders[Name]["answers"]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(new HostGone(this.name, this.#ended));
        return;
      }
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      const request: Request<Name> = { id, name, takes };
      this.#child.send(request, (error) => {
        if (error !== null) this.#settle(id)?.reject(new HostGone(this.name, error.message));
      });
    });
  }

  stop(): void {
    if (this.alive) this.#stopped = this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#stopped = false;
    this.#child.kill("SIGCONT");
  }

  /** Ends it by SIGKILL and settles when it has ended. */
  async kill(): Promise<void> {
    this.#killed = true;
    if (!this.alive) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  /** Closes the host and ends the process; killed if that takes longer than `limitMs`. */
  async leave(limitMs: number): Promise<void> {
    this.#killed = true;
    const late = setTimeout(() => void this.kill(), limitMs);
    try {
      await this.ask("close", undefined);
    } catch (error) {
      if (!(error instanceof HostGone)) throw error;
    } finally {
      clearTimeout(late);
      await this.kill();
    }
  }

  #onReply(reply: Reply): void {
    const waiting = this.#settle(reply.id);
    if ("failure" in reply) {
      const { failure, closed } = reply;
      waiting?.reject(closed ? new HostGone(this.name, failure) : new Error(`host ${this.name}: ${failure}`));
    } else waiting?.resolve(reply.answer as never);
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #onEnd(reason: string): void {
    this.#ended ??= reason;
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(new HostGone(this.name, reason));
  }
}

/** The process ended before it answered. */
export class HostGone extends Error {
  override readonly name = "HostGone";

  constructor(host: string, reason: string) {
    super(`host ${host}: ${reason}`);
  }
}
