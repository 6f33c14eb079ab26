import { defineConfig } from "vitest/config";

/** The tests that need Python with PyTorch. One file at a time: each starts processes of its own. */
export default defineConfig({
  test: { include: ["test/backends/torch/**/*.test.ts"], pool: "forks", maxWorkers: 1, testTimeout: 600_000, hookTimeout: 600_000 },
});
