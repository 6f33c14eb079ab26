#!/usr/bin/env node
import { createOutput } from "./output.js";
import { runProgram } from "./program.js";

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
// Nor is a log, where stderr leads to one, that a full disk has no room for.
process.stderr.on("error", () => undefined);

const output = createOutput(process.stdout, process.stderr, process.env);
process.exitCode = await runProgram(process.argv.slice(2), output, process.env.TRUELINE_DEBUG === "1");
