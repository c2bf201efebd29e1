import { defineConfig } from "vitest/config";

// One project per kind of test, so that each can be run by itself; integration files run one after
// another because each starts servers and processes of its own.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts", "test/*.test.ts"], testTimeout: 30_000 } },
      { test: { name: "property", include: ["test/property/**/*.test.ts"], testTimeout: 120_000 } },
      { test: { name: "simulation", include: ["test/simulation/**/*.test.ts"], testTimeout: 300_000 } },
      { test: { name: "mutants", include: ["test/mutants/**/*.test.ts"], testTimeout: 300_000 } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          // A dozen processes of its own are load enough.
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "drivers",
          include: ["test/drivers/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 150_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
