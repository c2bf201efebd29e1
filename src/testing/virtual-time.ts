/**
 * Time that only passes when it is told to: a queue of tasks in the order of their moments (a binary heap;
 * tasks of one moment in the order in which they were planned). A day of a cluster's life thereby takes
 * as long as its work takes, and two runs of one plan are the same run.
 */

interface Task {
  readonly at: number;
  /** Breaks ties: planned earlier, run earlier. */
  readonly order: number;
  run: (() => void) | undefined;
}

/** Tasks at one moment before it counts as a loop that will never let time pass. */
const MOST_TASKS_AT_ONE_MOMENT = 1_000_000;

/** A scheduler in virtual milliseconds, beginning at 0. */
export class VirtualTime {
  readonly #heap: Task[] = [];
  #now = 0;
  #planned = 0;

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  /** How many tasks wait, those that were cancelled included until their moment comes. */
  get waiting(): number {
    return this.#heap.length;
  }

  /** Runs `task` at a moment (at once if that is past, but never within this call). Returns its cancellation. */
  at(moment: number, task: () => void): () => void {
    if (Number.isNaN(moment)) throw new TypeError("a moment is a number, not NaN");
    const planned: Task = { at: Math.max(moment, this.#now), order: this.#planned++, run: task };
    this.#push(planned);
    return () => {
      planned.run = undefined;
    };
  }

  /** Runs `task` in so many milliseconds. Returns its cancellation. */
  after(delayMs: number, task: () => void): () => void {
    return this.at(this.#now + delayMs, task);
  }

  /** Runs `task` after what runs now, and after everything that is already due. */
  defer(task: () => void): void {
    this.at(this.#now, task);
  }

  /** Runs `task` every so many milliseconds, first after `firstMs`, until the returned function is called. */
  every(intervalMs: number, task: () => void, firstMs: number = intervalMs): () => void {
    if (!(intervalMs > 0)) throw new TypeError(`an interval is above 0, not ${intervalMs}`);
    let cancel = (): void => {};
    let stopped = false;
    const tick = (): void => {
      task();
      if (!stopped) cancel = this.after(intervalMs, tick);
    };
    cancel = this.after(firstMs, tick);
    return () => {
      stopped = true;
      cancel();
    };
  }

  /** Lets so many milliseconds pass: runs everything due in them, in order. */
  run(durationMs: number): void {
    const end = this.#now + durationMs;
    let atOneMoment = 0;
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      atOneMoment = next.at > this.#now ? 0 : atOneMoment + 1;
      if (atOneMoment > MOST_TASKS_AT_ONE_MOMENT) {
        throw new TypeError(`time stands still at ${this.#now} ms: tasks keep planning tasks for now`);
      }
      this.#pop();
      this.#now = next.at;
      next.run?.();
    }
    this.#now = end;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(task);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(task, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function before(left: Task, right: Task): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}
