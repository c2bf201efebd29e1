/** A broken variant of the protocol, as data, and how its breakage gets into the source. */

/** One replacement in one file under `src/`. */
export interface Edit {
  readonly file: string;
  /** Exact text that stands there once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** What it breaks, and what that would cost, in one sentence. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

/** One edit, the rule. */
export function mutant(name: string, breaks: string, file: string, find: string, replace: string): Mutant {
  return { name, breaks, edits: [{ file, find, replace }] };
}

/** The source of a file with the edits that concern it. Throws where a text is not there exactly once. */
export function mutated(name: string, file: string, source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { find, replace } of edits) {
    const times = text.split(find).length - 1;
    if (times !== 1) {
      const where = `mutant ${name}: its text stands ${times} times in src/${file}, not once`;
      throw new Error(`${where}; the code has changed, so say anew what to break:\n${find}`);
    }
    text = text.replace(find, () => replace);
  }
  return text;
}
