/**
 * Logging in to NATS with the seed of a key, and with a JWT that was issued for it. The NATS client
 * has the same behind its own door, which only `transport/` opens; what there is to it is one signature. A
 * seed is base32 of two bytes that say whose it is, 32 bytes of Ed25519 and a checksum (NATS ADR-14).
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { TidemarkError } from "../errors.ts";

/** What the client sends to be let in. */
export interface JwtAnswer {
  readonly jwt: string;
  readonly nkey: string;
  readonly sig: string;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SEED_BYTES = 2 + 32 + 2;
/** `S`, in the five bits that begin a seed, and `U`, for a user, in those that follow. */
const SEED = 18 << 3;
const USER = 20 << 3;
/** PKCS #8 of an Ed25519 key, up to its 32 bytes. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_BYTES = 32;

/** The same without a JWT: the server knows the key itself. */
export type NkeyAnswer = Omit<JwtAnswer, "jwt">;

/**
 * Answers the challenges of NATS servers. Throws `INVALID_ARGUMENT` when the seed is none; `source` is what it calls
 * it.
 */
export function jwtAuthenticator(
  jwt: string,
  seed: string,
  source = "CLIENT_SEED",
): (nonce?: string) => JwtAnswer {
  const answer = nkeyAuthenticator(seed, source);
  return (nonce) => ({ jwt: jwt.trim(), ...answer(nonce) });
}

/** As `jwtAuthenticator`, for a server that has the public key in its configuration. */
export function nkeyAuthenticator(seed: string, source: string): (nonce?: string) => NkeyAnswer {
  const key = keyOfSeed(seed.trim(), source);
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-PUBLIC_BYTES);
  const named = Buffer.concat([Buffer.from([USER]), raw]);
  const nkey = toBase32(Buffer.concat([named, checksum(named)]));
  return (nonce) => ({
    nkey,
    sig: nonce ? sign(null, Buffer.from(nonce), key).toString("base64") : "",
  });
}

function keyOfSeed(seed: string, source: string): KeyObject {
  const bytes = fromBase32(seed);
  const whole = bytes?.length === SEED_BYTES ? bytes : undefined;
  const body = whole?.subarray(0, -2);
  // The sentence never repeats the seed: it is a secret.
  if (whole === undefined || !checksum(body!).equals(whole.subarray(-2))) {
    throw new TidemarkError("INVALID_ARGUMENT", `${source} is not the seed of a NATS key, or has a typo`);
  }
  const kind = ((whole[0]! & 7) << 5) | ((whole[1]! & 0xf8) >> 3);
  if ((whole[0]! & 0xf8) !== SEED || kind !== USER) {
    throw new TidemarkError("INVALID_ARGUMENT", `${source} takes the seed of a user, which begins with SU`);
  }
  const der = Buffer.concat([PKCS8_HEAD, whole.subarray(2, -2)]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function fromBase32(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const five = ALPHABET.indexOf(letter);
    if (five < 0) return undefined;
    held = ((held << 5) | five) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Buffer.from(bytes);
}

function toBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}

/** CRC-16/XMODEM, low byte first. */
function checksum(bytes: Uint8Array): Buffer {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return Buffer.from([crc & 0xff, crc >> 8]);
}
