import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode } from "@temporalio/worker";

// Bundled once at build time, so that a worker starts without webpack.
const workflows = fileURLToPath(new URL("../dist/workflows/index.js", import.meta.url));
if (existsSync(workflows)) {
  const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
  const { code } = await bundleWorkflowCode({ workflowsPath: workflows, logger: quiet });
  writeFileSync(new URL("../dist/workflows/bundle.cjs", import.meta.url), code);
}
