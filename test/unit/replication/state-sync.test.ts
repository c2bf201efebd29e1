import { describe, expect, it } from "vitest";
import { VersionVector } from "../../../src/causality/version-vector.ts";
import type { ChunkHeader } from "../../../src/replication/image-codec.ts";
import {
  Donor,
  type ImageSource,
  MAX_SESSIONS,
  nextToAsk,
  pullStep,
  startPull,
  takeChunk,
} from "../../../src/replication/state-sync.ts";

const pull = (now = 0) => startPull("s", "donor", new VersionVector(), new Uint8Array(0), now);

function chunk(index: number, changes: Partial<ChunkHeader> = {}): ChunkHeader {
  return { session: "s", index, last: false, body: new Uint8Array(1), ...changes };
}

describe("taking over an image", () => {
  it("asks again after 400 ms, ever more patiently, and gives up after six times", () => {
    const taken = pull();
    const asked: number[] = [];
    for (let now = 0; ; now += 50) {
      const step = pullStep(taken, now);
      if (step === "retry") asked.push(now);
      if (step !== "abandon") continue;
      expect(asked).toEqual([400, 1_200, 2_400, 4_000, 6_000, 8_400]);
      expect(now).toBe(11_200);
      return;
    }
  });

  it("takes its chunks one after the other, of its own session only, and each once", () => {
    const taken = pull();
    const results = [
      takeChunk(taken, chunk(1), 10),
      takeChunk(taken, chunk(0, { session: "other" }), 10),
      takeChunk(taken, chunk(0), 10),
      takeChunk(taken, chunk(0), 20),
      takeChunk(taken, chunk(1), 30),
    ];
    expect(results).toEqual([false, false, true, false, true]);
    expect(taken.chunks.map(({ index }) => index)).toEqual([0, 1]);
  });

  it("asks for eight at a time once the session is open, and for fewer while what came is worked off", () => {
    const taken = pull();
    const asks = (backlog = 0): number[] => {
      const asked: number[] = [];
      for (let next = nextToAsk(taken, backlog); next !== undefined; next = nextToAsk(taken, backlog))
        asked.push(next);
      return asked;
    };
    expect([asks(), asks()]).toEqual([[0], []]);
    takeChunk(taken, chunk(0), 1);
    expect(asks()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    takeChunk(taken, chunk(1), 2);
    expect([asks(9), asks(1), asks(1)]).toEqual([[], [9], []]);
    takeChunk(taken, chunk(2, { last: true }), 3);
    expect(asks()).toEqual([]);
  });

  it("becomes patient anew with every chunk", () => {
    const taken = pull();
    pullStep(taken, 400);
    takeChunk(taken, chunk(0), 1_000);
    expect([pullStep(taken, 1_399), pullStep(taken, 1_400)]).toEqual(["wait", "retry"]);
  });

  it("keeps copies: a chunk was only lent", () => {
    const taken = pull();
    const body = Uint8Array.of(1);
    takeChunk(taken, chunk(0, { body }), 0);
    body[0] = 9;
    expect([...taken.chunks[0]!.body]).toEqual([1]);
  });
});

/** An image of so many chunks. */
function source(chunks: number): ImageSource & { ended: boolean } {
  let taken = 0;
  return {
    vector: new VersionVector(),
    pending: [],
    evicted: null,
    ended: false,
    get done() {
      return taken >= chunks;
    },
    take() {
      taken++;
      return [];
    },
    end() {
      this.ended = true;
    },
  };
}

function donor(): Donor {
  return new Donor(1_000, (_session, index) => Uint8Array.of(index));
}

describe("giving an image", () => {
  it("hands out chunk after chunk, the last eight again where an answer was lost, and no other", () => {
    const giving = donor();
    expect(giving.open("s", () => source(10), 0)).toBe(true);
    const at = (index: number) => giving.chunk("s", index, 0)?.[0];
    expect([at(0), at(0), at(1), at(0), at(2), at(1), at(2)]).toEqual([0, 0, 1, 0, 2, 1, 2]);
    expect([3, 4, 5, 6, 7, 8].map(at)).toEqual([3, 4, 5, 6, 7, 8]);
    expect([at(1), at(0), giving.isPast("s", 0)]).toEqual([1, undefined, true]);
    expect([giving.served, giving.chunk("none", 0, 0)]).toEqual([0, undefined]);
    expect([at(9), at(9), at(10)]).toEqual([9, 9, undefined]);
    expect(giving.served).toBe(1);
  });

  it("says nothing to who asks before it is its turn, or beyond the end", () => {
    const giving = donor();
    giving.open("s", () => source(2), 0);
    expect([giving.isAhead("s", 0), giving.isAhead("s", 1), giving.isAhead("none", 1)]).toEqual([
      false,
      true,
      false,
    ]);
    giving.chunk("s", 0, 0);
    giving.chunk("s", 1, 0);
    expect([giving.isAhead("s", 1), giving.isAhead("s", 2)]).toEqual([false, true]);
  });

  it("serves two at a time", () => {
    const giving = donor();
    const opened = ["a-1", "b-1", "c-1"].map((session) => giving.open(session, () => source(2), 0));
    expect([opened, MAX_SESSIONS, giving.sessions]).toEqual([[true, true, false], 2, 2]);
  });

  it("begins no session a second time: a late copy of its request would mix two instants", () => {
    const giving = donor();
    const open = (session: string) => giving.open(session, () => source(2), 0);
    expect([open("a-1.x"), open("a-2.y")]).toEqual([true, true]);
    // The copy of the first neither ends the second nor begins anew.
    expect([open("a-1.x"), giving.has("a-2.y"), giving.sessions]).toEqual([false, true, 1]);
    giving.chunk("a-2.y", 0, 0);
    giving.endAll();
    expect([open("a-2.y"), giving.has("a-2.y"), open("b-2.y"), open("a-3.z")]).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it("gives up who has not asked for twenty seconds, and a finished one sooner", () => {
    const giving = donor();
    const [slow, finished] = [source(2), source(1)];
    giving.open("slow", () => slow, 0);
    giving.open("finished", () => finished, 0);
    giving.chunk("finished", 0, 0);
    giving.expire(4_001);
    expect([giving.has("slow"), giving.has("finished"), finished.ended]).toEqual([true, false, true]);
    giving.chunk("slow", 0, 15_000);
    giving.expire(35_000);
    expect(giving.has("slow")).toBe(true);
    giving.expire(35_001);
    expect([giving.has("slow"), slow.ended, giving.sessions]).toEqual([false, true, 0]);
  });

  it("ends all at once when told to", () => {
    const giving = donor();
    const image = source(2);
    giving.open("s", () => image, 0);
    giving.endAll();
    expect([giving.sessions, image.ended]).toEqual([0, true]);
  });
});
