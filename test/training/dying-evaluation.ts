import { createReferenceBackend } from "../../backends/reference/index.js";
import { createEvaluate } from "../../training/evaluate.js";
import { runTrainer } from "../../training/loop.js";
import { parseEvaluation } from "./chat-evaluation.js";

// An evaluation in a process of its own, which saves no checkpoint and asks a server until it is killed.

const [setup, workspace, output, replies] = process.argv.slice(2) as [string, string, string, string];
const trainer = await createEvaluate({ ...parseEvaluation(setup), backend: createReferenceBackend(), phase: () => {}, replies });
await runTrainer(trainer, {
  stage: "eval", workspace, output, cadence: { everySeconds: Infinity }, onProgress: () => {},
  openCheckpoint: () => Promise.reject(new Error("no checkpoint is due")),
});
