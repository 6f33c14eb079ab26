import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Backend } from "../backends/backend.js";
import { version } from "../foundation/version.js";
import type { Environment } from "../schemas/events.js";
import { operationalParameters } from "../schemas/stages/common.js";
import { runTrainer } from "../training/loop.js";
import { createTrainer } from "../training/registry.js";
import { readArtifacts, readData } from "./inputs.js";
import { withDeadline } from "./pulse.js";
import type { StageWork } from "./stage.js";

export interface BackendOptions {
  readonly threads?: number;
  readonly executionProviders?: readonly ("cpu" | "cuda")[];
  readonly signal?: AbortSignal;
}

export type StartBackend = (options: BackendOptions) => Promise<Backend>;

/** How stages run that says nothing about what they compute. */
const operational = z.object(operationalParameters);

/** The work of every stage kind: read the inputs, start a backend where models are computed with, drive the trainer. */
export function trainStage(startBackend: StartBackend | undefined, stallSeconds: number): StageWork {
  return async (attempt, output) => {
    const { task: { stage }, pulse, resume, scratch } = attempt;
    const { checkpoint: cadence, resources } = operational.parse(stage.parameters);
    const kill = new AbortController();
    pulse.phase("reading inputs");
    const [artifacts, data] = [await readArtifacts(attempt), await readData(attempt)];
    pulse.phase(startBackend === undefined ? "starting" : "starting the backend");
    const backend = startBackend && withDeadline(await startBackend({
      threads: resources.cpus, executionProviders: resources.executionProviders, signal: kill.signal,
    }), stallSeconds);
    try {
      await attempt.started(backend && await environmentOf(backend));
      const from = resume && { directory: resume.directory, steps: resume.step };
      const trainer = await createTrainer(stage.kind, {
        parameters: stage.parameters, seed: stage.seed, backend, artifacts, data, resume: from, phase: (text) => pulse.phase(text),
      });
      const workspace = join(scratch, "workspace");
      await mkdir(workspace);
      return await runTrainer(trainer, {
        stage: stage.name, workspace, output, resume: from, cadence, openCheckpoint: attempt.openCheckpoint,
        onProgress: (progress) => pulse.update(progress), signal: attempt.signal,
      });
    } finally {
      // A backend that hangs does not answer "close" either: its process is ended.
      await Promise.race([backend?.close().catch(() => undefined), afterSeconds(10)]);
      kill.abort();
    }
  };
}

async function environmentOf(backend: Backend): Promise<Environment> {
  const { name, device, threads, versions } = await backend.describe();
  return { backend: name, device, threads, versions: { ...versions, node: process.versions.node, trueline: version } };
}

function afterSeconds(seconds: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, seconds * 1000).unref(); });
}
