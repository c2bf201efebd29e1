/**
 * Keys in a NATS KV bucket: its names are made of `A-Z a-z 0-9 _ - / .`, with a dot neither first, last nor
 * twice in a row. Those stand for themselves, everything else is `=` and two hexadecimal digits per byte of
 * UTF-8, so that keys of other clients read the same here and there. The empty key is `=`.
 */
const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const PLAIN = /[A-Za-z0-9_/-]/;

export function keyToToken(key: string): string {
  if (key === "") return "=";
  const bytes = utf8.encode(key);
  let token = "";
  for (let i = 0; i < bytes.length; i++) {
    const char = String.fromCharCode(bytes[i]!);
    const dot = char === "." && i > 0 && i < bytes.length - 1 && !token.endsWith(".");
    token += dot || PLAIN.test(char) ? char : `=${bytes[i]!.toString(16).padStart(2, "0")}`;
  }
  return token;
}

/** The key that a token stands for; one that is not of our making stands for itself. */
export function tokenToKey(token: string): string {
  if (token === "=") return "";
  if (!token.includes("=")) return token;
  const bytes: number[] = [];
  for (let i = 0; i < token.length; i++) {
    if (token[i] !== "=") {
      bytes.push(token.charCodeAt(i));
      continue;
    }
    const byte = /^[0-9a-f]{2}$/.test(token.slice(i + 1, i + 3))
      ? Number.parseInt(token.slice(i + 1, i + 3), 16)
      : -1;
    if (byte < 0) return token;
    bytes.push(byte);
    i += 2;
  }
  try {
    return strict.decode(new Uint8Array(bytes));
  } catch {
    // A token of another client that only looks like one of ours.
    return token;
  }
}
