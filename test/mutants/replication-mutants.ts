/** Mutants of how events travel: order, loss, catching up, snapshots, and what is promised of all that. */
import { type Mutant, mutant } from "./mutant.ts";

const RECEIVER = "replication/receiver.ts";
const HEARTBEATS = "replication/heartbeats.ts";
const CATCH_UP = "replication/catch-up.ts";
const IMAGE = "store/image.ts";
const INSTALL = "store/install.ts";
const CODEC = "replication/event-codec.ts";
const IMAGE_CODEC = "replication/image-codec.ts";

export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    name: "noDedup",
    breaks: "Frames that were applied are applied again: a duplicate must change nothing.",
    edits: [
      { file: RECEIVER, find: "if (header.last <= applied) {", replace: "if (false) {" },
      { file: RECEIVER, find: "if (event.seq <= applied) continue;", replace: "" },
    ],
  },
  mutant(
    "noStraddle",
    "Of a replayed frame that overlaps what was applied the known half is applied again.",
    RECEIVER,
    "if (event.seq <= applied) continue;",
    "",
  ),
  mutant(
    "noFifo",
    "Frames are applied as they come: a hole in an origin's events is then never found.",
    RECEIVER,
    "if (header.first > applied + 1 || this",
    "if (this",
  ),
  mutant(
    "gapByOne",
    "A frame that skips exactly one event is taken for the next one.",
    RECEIVER,
    "if (header.first > applied + 1 || this",
    "if (header.first > applied + 2 || this",
  ),
  mutant(
    "inboxByOne",
    "An early frame is taken from the inbox one event before its turn.",
    "replication/inbox.ts",
    "frames[taken]!.header.first <= applied + 1",
    "frames[taken]!.header.first <= applied + 2",
  ),
  mutant(
    "noHbGap",
    "Heartbeats are not compared with what is here: a lost last frame is then never asked for.",
    HEARTBEATS,
    "this.#lookForGaps(peer, now);",
    "",
  ),
  mutant(
    "noRows",
    "Rows of others in a heartbeat are not read: what the dead wrote and one host has does not get around.",
    HEARTBEATS,
    "if (row !== undefined) this.#raise(peer, row, seq);",
    "",
  ),
  mutant(
    "rejectSkew",
    "Events stamped in the future are left out: hosts with other clocks then hold other data.",
    RECEIVER,
    "replica.apply(event);",
    "if (stampToMs(event.stamp) > world.now() + MAX_SKEW_MS) replica.vector.set(origin, event.seq);\n" +
      "      else replica.apply(event);",
  ),
  mutant(
    "reuseOrigin",
    "A restarted host goes on under its old name: its new events are taken for old ones.",
    "host.ts",
    "this.incarnation = ulid(Math.max(0, Math.floor(world.now())), () => world.random());",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "this.incarnation = `01ARZ3NDEKTSV4RRFFQ69G5-${settings.node}`;",
  ),
  mutant(
    "ackEarly",
    "A frame is acknowledged when it arrives, not when it is applied: `replicated` counts hosts that lack it.",
    RECEIVER,
    'if (owed === undefined || seq < owed) return;\n    this.#owed.delete(origin);\n    const peer = membership.get(origins.name(origin));\n    if (peer === undefined) return;\n    this.#node.send("rp", peer, { type: "acknowledgement", incarnation: self.incarnation, seq });',
    'if (owed === undefined) return;\n    const peer = membership.get(origins.name(origin));\n    if (peer === undefined) return;\n    this.#node.send("rp", peer, { type: "acknowledgement", incarnation: self.incarnation, seq: owed });',
  ),
  mutant(
    "replicatedCountsAll",
    "`replicated` counts every live host, whether or not it has reported to have the write.",
    "replication/replicator.ts",
    "return this.livePeers().filter((peer) => peer.acknowledged >= seq || peer.vector.covers(SELF, seq))\n      .length;",
    "return this.livePeers().length;",
  ),
  mutant(
    "waitForByOne",
    "`waitFor` is settled one event too early.",
    "assurance.ts",
    "check: () => this.#vector.covers(origin(), token.seq),",
    "check: () => this.#vector.covers(origin(), token.seq - 1),",
  ),
  mutant(
    "replayFromNext",
    "A replay is asked for from one event too late, and so never fills the gap.",
    CATCH_UP,
    "const first = replica.vector.get(need.origin) + 1;",
    "const first = replica.vector.get(need.origin) + 2;",
  ),
  mutant(
    "askAuthorOnly",
    "Only the author is asked for what is missing: what the dead wrote is then never repaired.",
    "replication/recovery.ts",
    "return pool[Math.floor(random * pool.length)];",
    "return author;",
  ),
  mutant(
    "noSnapshot",
    "A host that has fallen behind every log takes over no image.",
    CATCH_UP,
    'if (reason === "trimmed") this.startSync(',
    'if (reason === "never") this.startSync(',
  ),
  mutant(
    "noFinals",
    "The tails of the dead are never given up: hosts ask for what nobody has for ever.",
    "replication/replicator.ts",
    "this.#dropFinals(now);",
    "",
  ),
  mutant(
    "digestSkipNaive",
    "Where digests match, all that is here is taken to be there: what was learnt since the asking is then kept for ever, although it was removed there.",
    INSTALL,
    "(live === undefined ? image.seen.covers(origin, seq) : live.has(id))",
    "(live === undefined || live.has(id))",
  ),
  mutant(
    "seenAtEnd",
    "The vector of the moment of asking is taken at the end: entries learnt in between count as held by the giver.",
    CATCH_UP,
    "events = replica.installImage(pull.chunks, pull.seen);",
    "events = replica.installImage(pull.chunks, replica.vector.copy());",
  ),
  mutant(
    "pendAtEnd",
    "The removals that wait are taken at the end of the image instead of at its instant: some are forgotten.",
    IMAGE,
    "this.pending = [...store.pending.removals()];",
    'Object.defineProperty(this, "pending", { get: () => [...store.pending.removals()] });',
  ),
  mutant(
    "noPendSent",
    "An image leaves out the removals that wait at the giver: the taker brings back what was removed.",
    IMAGE,
    "this.pending = [...store.pending.removals()];",
    "this.pending = [];",
  ),
  {
    name: "vvAtEnd",
    breaks:
      "The vector of an image is that of its end: events that its first buckets had not seen count as applied.",
    edits: [
      {
        file: IMAGE,
        find: "this.vector = store.vector.copy();",
        replace: "this.vector = store.vector;",
      },
      {
        file: "replica.ts",
        find: "{ vector: first.vector, seen,",
        replace: "{ vector: chunks.at(-1)!.vector, seen,",
      },
    ],
  },
  mutant(
    "noSeenCheck",
    "What an image brings is taken even where our vector covers it: what was removed here comes back.",
    INSTALL,
    "if (store.vector.covers(entry.origin, entry.seq)) return;",
    "if (target.state.has(entry.origin, entry.seq)) return;",
  ),
  {
    name: "fuzzyServe",
    breaks:
      "An image shows the current state and not that of its instant: if its giver dies, effects stay of events that exist nowhere else.",
    edits: [
      {
        file: IMAGE,
        find: "if (!this.vector.covers(entry.origin, entry.seq)) return;\n      if (!this.#seen",
        replace: "if (!this.#seen",
      },
      {
        file: IMAGE,
        find: "if (bucket < this.#next || !this.vector.covers(entry.origin, entry.seq)) return;",
        replace: "return;",
      },
    ],
  },
  mutant(
    "noLimbo",
    "What is removed while an image is given is missing from it: the taker forgets what its events had added.",
    IMAGE,
    "if (bucket < this.#next || !this.vector.covers(entry.origin, entry.seq)) return;",
    "return;",
  ),
  mutant(
    "limboByOne",
    "The bucket that is given next counts as given already.",
    IMAGE,
    "if (bucket < this.#next || !this.vector.covers(entry.origin, entry.seq)) return;",
    "if (bucket <= this.#next || !this.vector.covers(entry.origin, entry.seq)) return;",
  ),
  mutant(
    "noPreimage",
    "Counter segments that change while an image is given are given as they are now.",
    IMAGE,
    "if (!preimages.has(id)) preimages.set(id, { key, cell: cell === undefined ? null : { ...cell } });",
    "",
  ),
  mutant(
    "preimageFiltered",
    "Segments set aside for an image are left out where the asker had seen them: a reset is lost.",
    IMAGE,
    "if (cell !== null) cells.push({ key, cell });",
    "if (cell !== null && !this.#seen.covers(cell.origin, cell.high)) cells.push({ key, cell });",
  ),
  mutant(
    "noStaging",
    "An image that breaks off is installed as far as it came: events count as applied that were not.",
    CATCH_UP,
    "this.#pull = undefined;\n    this.#building?.discard();\n    this.#donors.gaveUp",
    "this.#pull = undefined;\n    if (this.#building === undefined && pull.chunks.length > 0) this.#install(pull);\n    this.#building?.discard();\n    this.#donors.gaveUp",
  ),
  mutant(
    "halfBuilt",
    "Of an image that breaks off, what an empty host has built of it stays.",
    CATCH_UP,
    "this.#building?.discard();\n    this.#donors",
    "this.#building = undefined;\n    this.#donors",
  ),
  mutant(
    "appliesWhileBuilding",
    "Events are applied while an image is being built, which then puts older state in their place.",
    RECEIVER,
    "|| this.#parts.catchUp.building) {",
    ") {",
  ),
  mutant(
    "anyChunk",
    "A chunk of an image given up earlier is taken as part of the new one.",
    "replication/state-sync.ts",
    "if (chunk.session !== pull.session || chunk.index",
    "if (chunk.index",
  ),
  mutant(
    "chunkTwice",
    "A chunk that comes twice is taken twice, and the one after it is never asked for.",
    "replication/state-sync.ts",
    "|| chunk.index !== pull.received) return false;",
    ") return false;",
  ),
  mutant(
    "skipAbsentBuckets",
    "Buckets that an image leaves out are not looked at: what the giver removed of them stays here.",
    INSTALL,
    "if (keys !== undefined) installBucket(installation, { bucket, ...NOTHING_NEW }, keys);",
    "",
  ),
  mutant(
    "keepAbsent",
    "What the giver had applied and no longer holds is kept here.",
    INSTALL,
    "(entry) => image.vector.covers(entry.origin, entry.seq) && !holds(entry),",
    "() => false,",
  ),
  mutant(
    "codecSweep",
    "The two ends of a sweep's range are read the wrong way round.",
    CODEC,
    "return { origin, upTo, from, to, except };",
    "return { origin, upTo, from: to, to: from, except };",
  ),
  mutant(
    "codecIncrement",
    "An increment's totals before and after are read the wrong way round.",
    CODEC,
    "increment = { segment, before: input.integer(), total: input.integer() };",
    "increment = { segment, total: input.integer(), before: input.integer() };",
  ),
  mutant(
    "codecTarget",
    "A deadline loses the value that it is for.",
    CODEC,
    "const [targetOrigin, targetSeq] = extra ? readDot(input, origins, seq) : [0, 0];",
    "if (extra) readDot(input, origins, seq);\n      const [targetOrigin, targetSeq] = [0, 0];",
  ),
  mutant(
    "codecFraction",
    "List elements put between two others lose their fraction.",
    CODEC,
    'if (entry.fraction !== "") out.text(entry.fraction);',
    'if (entry.fraction !== "") out.text("");',
  ),
  mutant(
    "codecClear",
    "A clear travels without the rows of other origins.",
    CODEC,
    "writeDots(out, event.clear.vector, dictionary, seq);",
    "writeDots(out, event.clear.vector.slice(0, 2), dictionary, seq);",
  ),
  mutant(
    "codecImageReset",
    "In images a segment's reset is read as reaching as far as the segment.",
    IMAGE_CODEC,
    "return { key, cell: { origin, segment, high, total, resetUpTo, resetTotal, resetBy } };",
    "return { key, cell: { origin, segment, high, total, resetUpTo: Math.min(high, resetUpTo + 1), resetTotal, resetBy } };",
  ),
  mutant(
    "codecPending",
    "In images a removal of one entry is read as one of all up to it.",
    IMAGE_CODEC,
    "if (kind === PENDING_UP_TO) return",
    "if (kind === PENDING_UP_TO || kind === PENDING_DOT) return",
  ),
];
