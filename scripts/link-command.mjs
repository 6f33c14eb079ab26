import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";

// npm links a package's own command only for those who install it; in a checkout `npx trueline` needs this link.
if (existsSync("dist/cli/main.js")) {
  chmodSync("dist/cli/main.js", 0o755);
  mkdirSync("node_modules/.bin", { recursive: true });
  rmSync("node_modules/.bin/trueline", { force: true });
  symlinkSync("../../dist/cli/main.js", "node_modules/.bin/trueline");
}
