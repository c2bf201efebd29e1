/** What one host costs as a plain in-memory store, beside the stores people use for that. Parts can be chosen. */
import { packageVersion } from "../rig/report.js";
import { measureHits } from "./hits.js";
import { measureMemory } from "./memory.js";
import { measureOps } from "./ops.js";
import { measureScan } from "./scan.js";
import { measureStall } from "./stall.js";
import { PACKAGES } from "./subjects.js";
import { measureSweep } from "./sweep.js";

export const PARTS = {
  ops: measureOps,
  memory: measureMemory,
  hits: measureHits,
  stall: measureStall,
  sweep: measureSweep,
  scan: measureScan,
};

export async function run({ quick, parts, say }) {
  const tables = [];
  for (const part of parts.length === 0 ? Object.keys(PARTS) : parts) {
    tables.push(...(await PARTS[part]({ quick, say })));
  }
  const versions = {};
  for (const name of PACKAGES) versions[name] = await packageVersion(name);
  return { tables, versions };
}
