import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Bundled at build time, so that a worker starts without webpack; again only when something it may hold has changed.
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const workflows = join(dist, "workflows/index.js");
const bundle = join(dist, "workflows/bundle.cjs");
const sources = ["workflows", "schemas", "foundation"];

function newest(folder) {
  return Math.max(0, ...readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".js")).map((name) => statSync(join(folder, name)).mtimeMs));
}

const inputs = [...sources.map((room) => newest(join(dist, room))), statSync(fileURLToPath(new URL("../package-lock.json", import.meta.url))).mtimeMs];
if (!existsSync(bundle) || statSync(bundle).mtimeMs < Math.max(...inputs)) {
  const { bundleWorkflowCode } = await import("@temporalio/worker");
  const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
  const { code } = await bundleWorkflowCode({ workflowsPath: workflows, logger: quiet });
  writeFileSync(bundle, code);
}
