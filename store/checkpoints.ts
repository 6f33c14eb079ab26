import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { digestOf } from "../foundation/canonical.js";
import { makeFolder, syncDirectory } from "../foundation/files.js";
import { environmentSchema, type Environment } from "../schemas/events.js";
import type { Claim, Claims } from "./claims.js";
import { faultIn, guarded, namesIn, readIfThere, recordFiles, syncTree, writeWhole } from "./files.js";
import { sealedText, unsealed } from "./records.js";

export const checkpointFile = "checkpoint.json";
const kept = 2;

const checkpointSchema = z.strictObject({
  version: z.literal(1),
  key: z.string(),
  step: z.number().int().min(0),
  run: z.string(),
  environment: environmentSchema.optional(),
  files: z.array(z.strictObject({ path: z.string(), bytes: z.number().int(), sha256: z.string() })),
});
export type CheckpointManifest = z.output<typeof checkpointSchema>;

export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  readonly directory: string;
  readonly digest: string;
  readonly bytes: number;
  readonly run: string;
  readonly environment?: Environment;
}

/** A checkpoint that can't be used. */
export interface Skipped {
  readonly step: number;
  readonly reason: string;
}

/** Checkpoints by stage key and step: `checkpoints/<key>/<step>/`, the two newest kept. */
export class Checkpoints {
  constructor(private readonly home: string, private readonly claims: Claims) {}

  /** Makes a directory's files the checkpoint after `step` steps by moving them in. Throws TL_STORE_SUPERSEDED to a fenced attempt. */
  async publish(claim: Claim, step: number, directory: string, environment?: Environment): Promise<Checkpoint> {
    return guarded(async () => {
      const files = await recordFiles(directory, checkpointFile);
      const manifest: CheckpointManifest = { version: 1, key: claim.key, step, run: claim.run, environment, files };
      await writeWhole(join(directory, checkpointFile), sealedText(manifest));
      await syncTree(directory);
      const target = join(this.folder(claim.key), String(step));
      await this.claims.whileHeld(claim, async () => {
        await makeFolder(this.folder(claim.key));
        await rm(target, { recursive: true, force: true });
        await rename(directory, target);
        await syncDirectory(this.folder(claim.key));
        await this.prune(claim.key, step);
      });
      return describe(manifest, target);
    });
  }

  /**
   * The newest checkpoint that is whole. `deep` hashes every byte; else sizes alone are compared, which is enough to plan
   * with. Those that can't be used are told to `onSkip`; names that are no steps are ignored.
   */
  async newest(key: string, { deep = false, onSkip }: { deep?: boolean; onSkip?: (skipped: Skipped) => void | Promise<void> } = {}): Promise<Checkpoint | undefined> {
    for (const step of await this.steps(key)) {
      const directory = join(this.folder(key), String(step));
      const manifest = await readManifest(directory);
      const reason = manifest === undefined ? `${checkpointFile} is missing or can't be read`
        : manifest.key !== key || manifest.step !== step ? `${checkpointFile} is of another checkpoint`
          : await faultIn(directory, manifest.files, deep);
      if (manifest !== undefined && reason === undefined) return describe(manifest, directory);
      await onSkip?.({ step, reason: reason ?? "" });
    }
    return undefined;
  }

  /** Removes a key's checkpoints, once its result is there. */
  async remove(key: string): Promise<void> {
    await guarded(() => rm(this.folder(key), { recursive: true, force: true }));
  }

  /** Keys that have checkpoints. */
  async keys(): Promise<string[]> {
    return (await guarded(() => namesIn(join(this.home, "checkpoints")))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** Steps of a key's checkpoints, newest first. */
  async steps(key: string): Promise<number[]> {
    const names = await guarded(() => namesIn(this.folder(key)));
    return names.filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => b - a);
  }

  /** Removes what the new checkpoint supersedes: all but the two newest up to it, and any that claim to be later. */
  private async prune(key: string, newest: number): Promise<void> {
    const steps = await this.steps(key);
    const keep = steps.filter((step) => step <= newest).slice(0, kept);
    for (const step of steps) {
      if (!keep.includes(step)) await rm(join(this.folder(key), String(step)), { recursive: true, force: true });
    }
  }

  folder(key: string): string {
    return join(this.home, "checkpoints", key);
  }
}

async function readManifest(directory: string): Promise<CheckpointManifest | undefined> {
  const text = await guarded(() => readIfThere(join(directory, checkpointFile)));
  return text === undefined ? undefined : checkpointIn(text);
}

/** The manifest in the text of a `checkpoint.json`; undefined where any byte of it has changed. */
export function checkpointIn(text: string): CheckpointManifest | undefined {
  return unsealed(text, checkpointSchema);
}

function describe(manifest: CheckpointManifest, directory: string): Checkpoint {
  const { step, run, environment, files } = manifest;
  return { step, run, environment, directory, digest: digestOf(manifest), bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
}
