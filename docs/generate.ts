import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { algorithmsDocument, algorithmsDrawing } from "./algorithms-document.js";
import { errorsDocument } from "./errors-document.js";
import { modelsDocument } from "./models-document.js";
import { oraclesDocument } from "./oracles-document.js";
import { inRepository } from "./read-json.js";
import { reliabilityDocument } from "./reliability-document.js";
import { rewardGeneralisationDocument } from "./reward-generalisation-document.js";
import { secretsDocument, secretsPictures } from "./secrets/document.js";
import { specDocument } from "./spec-document.js";

/** Pages that are written from sources, by their path. */
export const pages: Readonly<Record<string, () => string>> = {
  [pathOf("algorithms.md")]: algorithmsDocument,
  [pathOf("algorithms.svg")]: algorithmsDrawing,
  [pathOf("errors.md")]: errorsDocument,
  [pathOf("models.md")]: modelsDocument,
  [pathOf("oracles.md")]: oraclesDocument,
  [pathOf("reliability.md")]: reliabilityDocument,
  [pathOf("reward-generalisation.md")]: rewardGeneralisationDocument,
  [pathOf("secrets-of-ppo.md")]: secretsDocument,
  ...Object.fromEntries(Object.entries(secretsPictures()).map(([name, draw]) => [pathOf(`secrets-of-ppo/${name}`), draw])),
  [pathOf("spec.md")]: specDocument,
};

function pathOf(name: string): string {
  return fileURLToPath(inRepository(`docs/${name}`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) for (const [path, text] of Object.entries(pages)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text());
}
