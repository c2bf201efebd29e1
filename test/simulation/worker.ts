/** One of the processes of `pool.ts`: runs its share of the seeds and tells of each. */
import { inWords } from "./checks.ts";
import type { Share } from "./pool.ts";
import { simulate } from "./simulate.ts";
import type { Report } from "./summary.ts";

const { from, seeds, stride, endsAt = Number.POSITIVE_INFINITY } = JSON.parse(process.argv[2]!) as Share;
const report = (told: Report): void => void process.send!(told);
for (let seed = from; seed < from + seeds; seed += stride) {
  if (Date.now() > endsAt) break;
  try {
    report({ result: await simulate(seed) });
  } catch (error) {
    report({ seed, failure: inWords(error) });
  }
}
process.disconnect();
