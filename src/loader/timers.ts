/** What is to be done at a time, by a clock that is looked at in ticks: a binary heap of tasks. */

interface Timer {
  readonly at: number;
  task: (() => void) | undefined;
}

/** Cancelled timers stay until they are due; when they are most of the heap, it is made anew. */
const COMPACT_ABOVE = 1_024;

export class Timers {
  #heap: Timer[] = [];
  #cancelled = 0;

  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** Has `task` run by the first `run` at or after `at`, unless the returned function was called. */
  add(at: number, task: () => void): () => void {
    const timer: Timer = { at, task };
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
    return () => {
      if (timer.task === undefined) return;
      timer.task = undefined;
      this.#cancelled++;
      if (this.#cancelled > COMPACT_ABOVE && this.#cancelled > this.#heap.length / 2) this.#compact();
    };
  }

  /** Runs what is due, the earliest first. What a task adds that is due as well waits for the next run. */
  run(now: number): void {
    const due: Timer[] = [];
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const timer = this.#pop();
      if (timer.task === undefined) this.#cancelled--;
      else due.push(timer);
    }
    for (const timer of due) {
      const { task } = timer;
      timer.task = undefined;
      task?.();
    }
  }

  #pop(): Timer {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  #compact(): void {
    this.#heap = this.#heap.filter((timer) => timer.task !== undefined);
    this.#cancelled = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  #up(from: number): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#heap[parent]!.at <= this.#heap[i]!.at) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(from: number): void {
    let i = from;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.#heap.length && this.#heap[child]!.at < this.#heap[least]!.at) least = child;
      }
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(a: number, b: number): void {
    const timer = this.#heap[a]!;
    this.#heap[a] = this.#heap[b]!;
    this.#heap[b] = timer;
  }
}
