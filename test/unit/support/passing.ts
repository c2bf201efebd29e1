/** Virtual time that passes while something is waited for. */
import type { VirtualTime } from "../../../src/testing/virtual-time.ts";

/** Turns of the promise queue between two milliseconds: enough for chains of awaits. */
const TURNS = 24;

/** Lets promises that can settle do so; no time passes. */
export async function turns(count = TURNS): Promise<void> {
  for (let i = 0; i < count; i++) await null;
}

/** Lets so many milliseconds pass, one by one, and promises settle in between. */
export async function pass(time: VirtualTime, ms: number): Promise<void> {
  await turns();
  for (let i = 0; i < ms; i++) {
    time.run(1);
    await turns();
  }
}

/** Lets time pass until the promise settles, at most so many milliseconds, and answers as it does. */
export async function passUntil<T>(time: VirtualTime, promise: Promise<T>, mostMs = 60_000): Promise<T> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await turns();
  for (let ms = 0; !settled; ms++) {
    if (ms >= mostMs) throw new Error(`still pending after ${mostMs} ms`);
    time.run(1);
    await turns();
  }
  return promise;
}
