#!/usr/bin/env node
/**
 * Reads vitest's JSON report and the exit code that came with it. Says how many tests of each kind there were
 * and how long their files took, and on the last line, for a script, `<passed> <failed> <skipped>`. A file that
 * could not be loaded, and a run that failed without a failed test, count as one failed each.
 */
import { readFileSync } from "node:fs";

const [report, exitCode] = process.argv.slice(2);

function read() {
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch (error) {
    console.log(`no report was written: ${error.message}`);
    return { testResults: [] };
  }
}

/** The folder below test/, which is the kind of test. */
function kindOf(file) {
  return /\/test\/(\w+)\//.exec(file)?.[1] ?? "other";
}

const kinds = new Map();
for (const file of read().testResults) {
  const kind = kindOf(file.name);
  const sum = kinds.get(kind) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
  for (const { status } of file.assertionResults) {
    if (status === "passed" || status === "failed") sum[status]++;
    else sum.skipped++;
  }
  if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed"))
    sum.failed++;
  sum.ms += Math.max(0, file.endTime - file.startTime);
  kinds.set(kind, sum);
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const [kind, sum] of kinds) {
  const seconds = (sum.ms / 1000).toFixed(1);
  console.log(
    `${kind}: ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped, files took ${seconds} s`,
  );
  for (const outcome of Object.keys(total)) total[outcome] += sum[outcome];
}
if (total.failed === 0 && exitCode !== "0") total.failed = 1;
console.log(`${total.passed} ${total.failed} ${total.skipped}`);
