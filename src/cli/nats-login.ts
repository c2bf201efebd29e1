/** How `serve` connects to NATS: servers, certificates, and whichever way to log in its settings name. */
import { readFile } from "node:fs/promises";
import { TidemarkError } from "../errors.ts";
import type { OpenOptions } from "../options.ts";
import type { Given } from "./flag-table.ts";
import { jwtAuthenticator, nkeyAuthenticator } from "./nats-jwt.ts";

/** Files with what a host shows a NATS server, and what it believes of one. */
export interface NatsFiles {
  readonly creds: string | undefined;
  readonly nkey: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const FLAG_OF: Readonly<Record<keyof NatsFiles, string>> = {
  creds: "--nats-creds",
  nkey: "--nats-nkey",
  ca: "--nats-ca",
  cert: "--nats-cert",
  key: "--nats-key",
};
const BLOCK = /-----BEGIN ([A-Z ]+)-----\s*(\S+)\s*-+END \1-+/g;

/** The servers, with the JWT of the environment. Throws `INVALID_ARGUMENT`. */
export function natsOption(urls: string | undefined, env: Environment): OpenOptions["nats"] {
  const jwt = env.CLIENT_JWT;
  const seed = env.CLIENT_SEED;
  if (!jwt !== !seed) {
    const [there, absent] = jwt ? ["CLIENT_JWT", "CLIENT_SEED"] : ["CLIENT_SEED", "CLIENT_JWT"];
    throw wrong(`${there} is set without ${absent}: NATS needs both`);
  }
  if (urls === undefined) {
    if (!jwt) return undefined;
    throw wrong("CLIENT_JWT and CLIENT_SEED are set, and no server: name one with --nats");
  }
  const servers = urls
    .split(",")
    .map((url) => url.trim())
    .filter((url) => url !== "");
  if (jwt && seed) return { servers, authenticator: jwtAuthenticator(jwt, seed) };
  return servers.length === 1 ? servers[0]! : servers;
}

/** The files that are named; `undefined` without any. Throws `INVALID_ARGUMENT` where they do not go together. */
export function natsFiles(given: ReadonlyMap<string, Given>, env: Environment): NatsFiles | undefined {
  const named = (["natsCreds", "natsNkey", "natsCa", "natsCert", "natsKey"] as const).map((name) =>
    given.get(name),
  );
  const first = named.find((file) => file !== undefined);
  if (first === undefined) return undefined;
  const [creds, nkey, ca, cert, key] = named.map((file) => file?.text as string | undefined);
  if (!given.has("nats")) throw wrong(`${first.source} is set, and no server: name one with --nats`);
  if ([creds, nkey, env.CLIENT_JWT || undefined].filter((way) => way !== undefined).length > 1)
    throw wrong("give one way to log in to NATS: --nats-creds, --nats-nkey, or CLIENT_JWT with CLIENT_SEED");
  if ((cert === undefined) !== (key === undefined)) throw wrong("NATS takes both --nats-cert and --nats-key");
  return { creds, nkey, ca, cert, key };
}

/** The servers with what the files hold. Rejects `INVALID_ARGUMENT` with the flag; no message shows a secret. */
export async function natsWithFiles(nats: OpenOptions["nats"], files: NatsFiles): Promise<object> {
  const isOptions = typeof nats === "object" && !Array.isArray(nats);
  const options: Record<string, unknown> = isOptions ? { ...nats } : { servers: nats };
  const { creds, nkey } = files;
  if (creds !== undefined) options.authenticator = ofCreds(await read(creds, "creds"), creds);
  if (nkey !== undefined)
    options.authenticator = nkeyAuthenticator(await read(nkey, "nkey"), `--nats-nkey: ${nkey}`);
  const tls: Record<string, string> = {};
  for (const name of ["ca", "cert", "key"] as const) {
    const file = files[name];
    if (file !== undefined) tls[name] = await read(file, name);
  }
  if (Object.keys(tls).length > 0) options.tls = tls;
  return options;
}

/** A credentials file, as `nsc` writes it: the JWT of a user and the seed of its key. */
function ofCreds(text: string, file: string): ReturnType<typeof jwtAuthenticator> {
  const blocks = new Map([...text.matchAll(BLOCK)].map(([, name, content]) => [name, content]));
  const [jwt, seed] = [blocks.get("NATS USER JWT"), blocks.get("USER NKEY SEED")];
  if (jwt === undefined || seed === undefined)
    throw wrong(
      `--nats-creds: ${file} is no credentials file: it takes a NATS USER JWT and a USER NKEY SEED`,
    );
  return jwtAuthenticator(jwt, seed, `--nats-creds: ${file}`);
}

async function read(file: string, name: keyof NatsFiles): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new TidemarkError("INVALID_ARGUMENT", `${FLAG_OF[name]}: ${(cause as Error).message}`, { cause });
  }
}

function wrong(sentence: string): TidemarkError {
  return new TidemarkError("INVALID_ARGUMENT", sentence);
}
