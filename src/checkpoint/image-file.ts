/**
 * An image as a file: the chunks a joiner would get, one after the other (`replication/PROTOCOL.md`, "Image
 * file"). Each chunk carries its checksum, its place and the name of the image, so that a file that was torn,
 * cut, mixed or damaged anywhere does not come to its end and is refused whole.
 */
import type { Origins } from "../causality/origins.ts";
import { PROTOCOL_VERSION } from "../replication/frame.ts";
import { type ChunkHeader, encodeChunk, readChunkHeader } from "../replication/image-codec.ts";
import type { ImageSource } from "../replication/state-sync.ts";
import type { ReadableFile, WritableFile } from "./disk.ts";

/** CBOR: the text "tidemark-image" and the version of the format; then comes the namespace. */
const MAGIC = Uint8Array.of(0x6e, ...Buffer.from("tidemark-image", "latin1"), PROTOCOL_VERSION);
/** CBOR: a text with its length in one byte. */
const TEXT = 0x78;
/** CBOR: a byte string with its length in four bytes. */
const BYTES = 0x5a;
const LENGTH_BYTES = 5;

/** Why a file is no image that this host may take; the message is a sentence. */
export class RefusedFile extends Error {
  override readonly name = "RefusedFile";
  /** Whether it is damaged. Else it is whole, and not for this host. */
  readonly damaged: boolean;

  constructor(message: string, damaged: boolean, options?: ErrorOptions) {
    super(message, options);
    this.damaged = damaged;
  }
}

export interface ImageWriting {
  readonly file: WritableFile;
  /** Names the image; no two images share it. */
  readonly session: string;
  readonly namespace: string;
  readonly origins: Origins;
  /** About how large a chunk is: what is read of the store in one turn. */
  readonly chunkBytes: number;
  /** Resolves in another turn of the event loop. */
  nextTurn(): Promise<void>;
}

/** Writes an image, a chunk per turn. Resolves to the bytes written. Rejects as the file does. */
export async function writeImage(source: ImageSource, writing: ImageWriting): Promise<number> {
  const { file, session, namespace, origins, chunkBytes } = writing;
  const head = headOf(namespace);
  await file.write(head);
  let written = head.length;
  for (let index = 0; !source.done; index++) {
    const buckets = source.take(chunkBytes);
    const last = source.done;
    const chunk = encodeChunk(
      {
        session,
        index,
        last,
        vector: source.vector,
        buckets,
        pending: last ? source.pending : [],
        evicted: last ? source.evicted : null,
      },
      namespace,
      origins,
    );
    await file.write(lengthOf(chunk));
    await file.write(chunk);
    written += LENGTH_BYTES + chunk.length;
    await writing.nextTurn();
  }
  return written;
}

/**
 * Reads the chunks of an image, one after the other. Throws `RefusedFile`, also after many of them: what was
 * made of the chunks before is then worth nothing.
 */
export async function* readImage(file: ReadableFile, namespace: string): AsyncGenerator<ChunkHeader> {
  const named = await readNamespace(file);
  let position = headOf(named).length;
  let session: string | undefined;
  for (let index = 0; ; index++) {
    const head = await file.read(LENGTH_BYTES);
    const length = head.length < LENGTH_BYTES ? -1 : new DataView(head.buffer, head.byteOffset).getUint32(1);
    // Looked at before anything is allocated: a damaged length may be any.
    if (head[0] !== BYTES || length > file.size - position - LENGTH_BYTES) throw cutOff(position, file.size);
    const header = readHeader(await file.read(length), named, position);
    // Only now: a name that was damaged is no name.
    if (named !== namespace) throw new RefusedFile(`it is of the namespace ${named}`, false);
    session ??= header.session;
    if (header.session !== session || header.index !== index) {
      throw new RefusedFile(`it is made of pieces that do not belong together (at byte ${position})`, true);
    }
    position += LENGTH_BYTES + length;
    if (header.last && position !== file.size) {
      throw new RefusedFile(`${file.size - position} bytes follow its end`, true);
    }
    yield header;
    if (header.last) return;
  }
}

/** The namespace that a file says it is of. */
async function readNamespace(file: ReadableFile): Promise<string> {
  const magic = await file.read(MAGIC.length);
  const version = MAGIC.length - 1;
  if (magic.length < MAGIC.length || MAGIC.subarray(0, version).some((byte, i) => magic[i] !== byte)) {
    throw new RefusedFile("it does not begin as a checkpoint does", true);
  }
  if (magic[version] !== MAGIC[version]) {
    throw new RefusedFile("it is in the format of another version of Tidemark", false);
  }
  const [kind, length = 0] = await file.read(2);
  const name = await file.read(length);
  if (kind !== TEXT || name.length < length) throw cutOff(MAGIC.length, file.size);
  return Buffer.from(name).toString("latin1");
}

function headOf(namespace: string): Uint8Array {
  const name = Buffer.from(namespace, "latin1");
  return Uint8Array.of(...MAGIC, TEXT, name.length, ...name);
}

function readHeader(chunk: Uint8Array, namespace: string, position: number): ChunkHeader {
  try {
    return readChunkHeader(chunk, namespace);
  } catch (cause) {
    throw new RefusedFile(`the piece at byte ${position} is damaged`, true, { cause });
  }
}

function cutOff(position: number, size: number): RefusedFile {
  return new RefusedFile(`it breaks off, or is damaged, at byte ${position} of ${size}`, true);
}

function lengthOf(chunk: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES);
  bytes[0] = BYTES;
  new DataView(bytes.buffer).setUint32(1, chunk.length);
  return bytes;
}
