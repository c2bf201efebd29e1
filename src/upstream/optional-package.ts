/** Packages that a driver needs and that its user installs: loaded when used, named when missing. */
import { TidemarkError } from "../errors.ts";

/** The module, or `MISSING_PACKAGE` with the command that installs it. */
export async function optionalPackage<M>(name: string, version: string, load: () => Promise<M>): Promise<M> {
  try {
    return await load();
  } catch (cause) {
    throw new TidemarkError(
      "MISSING_PACKAGE",
      `tidemark/upstream needs the package ${name}: npm install ${name}@${version}`,
      { cause },
    );
  }
}

/**
 * Makes something once, when it is first needed; a failure is not kept, so that the next call tries again. `made` is
 * what there is to be freed: nothing where it was never needed, or could not be made.
 */
export function once<T>(make: () => Promise<T>): { get(): Promise<T>; made(): Promise<T | undefined> } {
  let made: Promise<T> | undefined;
  return {
    get: () => {
      made ??= make().catch((error: unknown) => {
        made = undefined;
        throw error;
      });
      return made;
    },
    made: async () => made?.catch(() => undefined),
  };
}

/** What was opened, made ready for use; what cannot be is closed again, so that trying anew leaves nothing behind. */
export async function orClosed<T>(ready: Promise<T>, close: () => unknown): Promise<T> {
  try {
    return await ready;
  } catch (error) {
    await close();
    throw error;
  }
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

/** An SQL or CQL name, which cannot be a parameter: `table` or `schema.table`, of plain characters. */
export function checkedName(name: string, option: string): string {
  if (
    typeof name === "string" &&
    name.split(".").length <= 2 &&
    name.split(".").every((part) => NAME.test(part))
  )
    return name;
  throw new TidemarkError(
    "INVALID_ARGUMENT",
    `${option} takes a name such as "cache" or "app.cache" (letters, digits, _), not ${JSON.stringify(name)}`,
  );
}

/** Whether an error comes from a network or a server that may be back soon. */
export function isNetworkError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && NETWORK_CODES.has(code);
}

const NETWORK_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
