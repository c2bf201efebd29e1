/** Reads a dump block by block, never more than one at a time. */
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { TidemarkError } from "../../errors.ts";
import {
  type Block,
  CHECK_BYTES,
  type DumpHead,
  type DumpKeys,
  decodeBlock,
  LARGEST_BLOCK_BYTES,
  MAGIC,
  PREFIX_BYTES,
  refused,
} from "./format.ts";

/** A place between two blocks, from which reading can go on. */
export interface DumpPlace {
  readonly offset: number;
  readonly check: number;
}

export interface ReadKeys extends DumpKeys {
  /** Behind this block. */
  readonly place: DumpPlace;
}

export interface DumpReader extends AsyncDisposable {
  readonly head: DumpHead;
  readonly bytes: number;
  /** Behind the head. */
  readonly begin: DumpPlace;
  /** Entries of the whole dump; `undefined` until its end was read. */
  readonly entries: number | undefined;
  /**
   * Its keys from a place on. Throws `DUMP_REFUSED` where it is damaged or breaks off, unless `lenient`: then what is
   * whole is given, and nothing said.
   */
  keys(from?: DumpPlace, options?: { lenient?: boolean }): AsyncGenerator<ReadKeys>;
}

/** Opens a dump. Rejects `DUMP_REFUSED` where it is none, `INVALID_ARGUMENT` where there is no such file. */
export async function openDump(file: string): Promise<DumpReader> {
  const handle = await open(file).catch((cause: Error) => {
    throw new TidemarkError("INVALID_ARGUMENT", `the dump cannot be read: ${cause.message}`, { cause });
  });
  try {
    const bytes = (await handle.stat()).size;
    const magic = await read(handle, 0, MAGIC.length);
    if (!magic.equals(MAGIC)) throw refused(`${file} does not begin as a dump does`);
    const first = await readBlock(handle, { offset: MAGIC.length, check: 0 }, bytes);
    if (first?.block.kind !== "head") throw refused(`${file} has no head`);
    return readerOf(handle, bytes, first.block.head, first.place);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function readerOf(handle: FileHandle, bytes: number, head: DumpHead, begin: DumpPlace): DumpReader {
  let entries: number | undefined;
  async function* keys(from = begin, { lenient = false } = {}): AsyncGenerator<ReadKeys> {
    let counted = 0;
    for (let place = from; ; ) {
      const next = await readBlock(handle, place, bytes).catch((error: unknown) => {
        if (!lenient) throw error;
      });
      if (next === undefined) {
        if (lenient) return;
        throw refused(
          `it breaks off at byte ${place.offset}; \`tidemark dump --resume\` goes on with one that was interrupted`,
        );
      }
      place = next.place;
      const { block } = next;
      if (block.kind === "keys") {
        counted += block.keys.entries.length;
        yield { ...block.keys, place };
      } else if (block.kind === "end") {
        if (place.offset !== bytes && !lenient) throw refused(`${bytes - place.offset} bytes follow its end`);
        if (from === begin && counted !== block.entries)
          throw refused(`it should have ${block.entries} keys, and has ${counted}`);
        entries = block.entries;
        return;
      } else if (!lenient) throw refused("it has two heads");
    }
  }
  return {
    head,
    bytes,
    begin,
    keys,
    get entries() {
      return entries;
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** The block at a place; `undefined` where the file ends there. */
async function readBlock(
  handle: FileHandle,
  { offset, check }: DumpPlace,
  bytes: number,
): Promise<{ block: Block; place: DumpPlace } | undefined> {
  if (offset === bytes) return undefined;
  const damaged = (why: string) => refused(`the block at byte ${offset} ${why}`);
  const prefix = await read(handle, offset, PREFIX_BYTES);
  if (prefix.length < PREFIX_BYTES) throw damaged("breaks off");
  const length = prefix.readUInt32BE(1);
  const end = offset + PREFIX_BYTES + length + CHECK_BYTES;
  // Looked at before anything is allocated: a damaged length may be any.
  if (length > LARGEST_BLOCK_BYTES || end > bytes) throw damaged("breaks off, or is damaged");
  const rest = await read(handle, offset + PREFIX_BYTES, length + CHECK_BYTES);
  const body = rest.subarray(0, length);
  const found = crc32(body, crc32(prefix, check));
  if (rest.length < length + CHECK_BYTES || rest.readUInt32BE(length) !== found)
    throw damaged("is damaged, or does not belong there");
  return { block: decodeBlock(prefix[0]!, body), place: { offset: end, check: found } };
}

async function read(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
