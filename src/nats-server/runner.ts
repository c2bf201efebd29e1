/** What running a nats-server of our own needs, as a process or as a container alike. */

/** How the server is configured beyond its address; the text is nats-server's own configuration language. */
export interface ServerSettings {
  /** The name in the server's greeting, by which it is recognised. */
  readonly name: string;
  readonly jetstream: boolean;
  readonly config: string;
  /** A temporary folder of its own, removed with it. */
  readonly directory: string;
  readonly signal: AbortSignal | undefined;
}

/** One server that can be started again and again on a port, keeping what it stored. */
export interface Runner {
  /** Where clients reach it. */
  readonly host: string;
  /** Starts it and settles when it greets; must not run already. */
  launch(port: number): Promise<void>;
  /** Ends it and settles when it has ended; a server that is down stays so. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Ends it at once and removes all it left behind. */
  discard(): Promise<void>;
  /** The last of what it wrote. */
  logs(): string;
}

/** How long a server may take until it greets; a JetStream store that is recovered takes the most of it. */
export const READY_LIMIT_MS = 30_000;

const LOG_LIMIT_CHARS = 64 * 1024;

/** The end of a log, bounded. */
export class LogTail {
  #text = "";

  append(chunk: string): void {
    this.#text = (this.#text + chunk).slice(-LOG_LIMIT_CHARS);
  }

  /** All that is kept. */
  text(): string {
    return this.#text;
  }

  /** The last line that holds anything. */
  lastLine(): string {
    return this.#text.trimEnd().split("\n").at(-1) ?? "";
  }
}

/** The configuration file: the address, the name, the store, then the caller's own text. */
export function configText(
  settings: Pick<ServerSettings, "name" | "jetstream" | "config">,
  place: { host: string; port: number; store: string },
): string {
  const lines = [
    `host: ${JSON.stringify(place.host)}`,
    `port: ${place.port}`,
    `server_name: ${JSON.stringify(settings.name)}`,
  ];
  if (settings.jetstream) lines.push(`jetstream { store_dir: ${JSON.stringify(place.store)} }`);
  return [...lines, settings.config, ""].join("\n");
}
