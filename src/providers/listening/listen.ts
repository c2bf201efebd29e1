/** How a door listens, whatever protocol it speaks. */
import type { AddressInfo, Server } from "node:net";
import { TidemarkError } from "../../errors.ts";

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there; choose another port, or 0 for a free one",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "this user may not; choose a port above 1023",
  ENOTFOUND: "that name has no address",
};
/** Connections that wait to be accepted. */
const BACKLOG = 511;

/** Starts to listen, and tells where. Rejects `LISTEN_FAILED` when the address cannot be had. */
export function listen(server: Server, protocol: string, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => {
      const what = WHY_NOT[cause.code ?? ""] ?? cause.message;
      const sentence = `${protocol} cannot be served on ${host}:${port}: ${what}.`;
      reject(new TidemarkError("LISTEN_FAILED", sentence, { cause }));
    };
    server.once("error", failed);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off("error", failed);
      // From here on an error is a connection that could not be accepted, for want of file descriptors.
      server.on("error", () => undefined);
      resolve(server.address() as AddressInfo);
    });
  });
}

/** Where a door is, for people and clients: `scheme://address:port`. */
export function urlOf(scheme: string, { address, family, port }: AddressInfo): string {
  return `${scheme}://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** Whether only this machine reaches an address. A name other than localhost may mean anything. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
