/** The permission template of `docs/SECURITY.md`, as an operator would paste it: the tests try what is printed. */
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../../docs/SECURITY.md", import.meta.url), "utf8");
const printed = /```text\n([\s\S]*?)```/.exec(page)![1]!;

/** The user of a host in nats-server's configuration, with a password that is its name. */
export function userOf(node: string, namespace: string): string {
  return printed
    .trim()
    .replaceAll("host-1", node)
    .replaceAll("shop", namespace)
    .replaceAll("change-me", node);
}

/** What the template allows. */
export interface Grants {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** The subjects of the template. */
export function grantsOf(node: string, namespace: string): Grants {
  const [publish, subscribe] = [...userOf(node, namespace).matchAll(/allow: \[([^\]]*)\]/g)].map(([, list]) =>
    [...list!.matchAll(/"([^"]+)"/g)].map(([, subject]) => subject!),
  );
  return { publish: publish!, subscribe: subscribe! };
}
