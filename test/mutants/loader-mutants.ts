/** Broken variants of what is behind a fleet: what was loaded and overtaken, what is due and not committed. */
import { type Mutant, mutant } from "./mutant.ts";

const AFTERCARE = "aftercare.ts";

export const LOADER_MUTANTS: readonly Mutant[] = [
  mutant(
    "keepOvertaken",
    "What was loaded stays though another host removed the key without having seen it.",
    AFTERCARE,
    "heard: (event) => overtaken.heard(event),",
    "heard: () => undefined,",
  ),
  mutant(
    "keepOrphans",
    "What a host had loaded just before it died stays, though others had removed the key and it had not heard of that.",
    AFTERCARE,
    "      orphans.tick(now);\n",
    "",
  ),
  mutant(
    "settledTooSoon",
    "A host says of all that it has loaded that nothing can overtake it any more.",
    "replication/settlement.ts",
    "    if (!saidAll) least = Math.min(least, settledOf(node, peer).get(SELF));\n",
    "    if (!saidAll) least = Math.min(least, vector.get(SELF));\n",
  ),
  mutant(
    "dueToWriter",
    "Commits that are due are only made by the host that accepted them: they are lost with it.",
    "commits-due.ts",
    'if (event.add?.kind === "commit") this.#queue(event.key);',
    'if (event.add?.kind === "commit" && event.origin === 0) this.#queue(event.key);',
  ),
  mutant(
    "neverCleared",
    "A commit that was made stays due.",
    "commits-due.ts",
    "if (done.length > 0) bodies.push({ key, removes: dotsOf(done) });",
    "if (done.length > 1) bodies.push({ key, removes: dotsOf(done) });",
  ),
];
