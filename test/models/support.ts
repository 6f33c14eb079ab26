import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ModelConfiguration } from "../../models/configuration.js";

/** A directory that is gone when the test is. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "trueline-models-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const tiny: ModelConfiguration = {
  family: "llama", vocabulary: 300, hidden: 12, layers: 2, heads: 3, keyValueHeads: 1, headSize: 6, intermediate: 20, context: 64,
  ropeTheta: 1e4, normEpsilon: 1e-5, tiedEmbeddings: false, attentionBias: false, outputBias: false, mlpBias: false,
  endTokens: [1], padToken: 0,
};
