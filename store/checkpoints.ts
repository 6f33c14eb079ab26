import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { digestOf } from "../foundation/canonical.js";
import { makeFolder, syncDirectory } from "../foundation/files.js";
import { environmentSchema, type Environment } from "../schemas/events.js";
import type { Claim, Claims } from "./claims.js";
import { faultIn, guarded, moveIfThere, namesIn, readIfThere, recordFiles, syncTree, writeWhole } from "./files.js";
import { sealedText, unsealed } from "./records.js";

export const checkpointFile = "checkpoint.json";
const kept = 2;

const checkpointSchema = z.strictObject({
  version: z.literal(1),
  key: z.string(),
  step: z.number().int().min(0),
  course: z.number().int().positive().optional(),
  run: z.string(),
  environment: environmentSchema.optional(),
  files: z.array(z.strictObject({ path: z.string(), bytes: z.number().int(), sha256: z.string() })),
});
export type CheckpointManifest = z.output<typeof checkpointSchema>;

export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** How often the stage had gone back to an earlier checkpoint when it was made. */
  readonly course: number;
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

/** Where a new checkpoint stands among a key's others. */
export interface Placing {
  readonly environment?: Environment;
  /** Default 0: the stage has never gone back. */
  readonly course?: number;
  /** Steps of earlier checkpoints to keep besides the newest. */
  readonly keep?: readonly number[];
}

/** A checkpoint's folder in that of its key. */
export interface Place {
  readonly name: string;
  readonly step: number;
  readonly course: number;
}

/**
 * Checkpoints by stage key and step: `checkpoints/<key>/<step>/`, or `<step>.<course>` once the stage has gone back. A later
 * course is newer than all of an earlier one, so that the rename that publishes its first checkpoint is what goes back:
 * whoever is killed before or after finds one course or the other. The two newest are kept, and those asked for.
 */
export class Checkpoints {
  constructor(private readonly home: string, private readonly claims: Claims) {}

  /** Makes a directory's files the checkpoint after `step` steps by moving them in. Throws TL_STORE_SUPERSEDED to a fenced attempt. */
  async publish(claim: Claim, step: number, directory: string, { environment, course = 0, keep = [] }: Placing = {}): Promise<Checkpoint> {
    return guarded(async () => {
      const files = await recordFiles(directory, checkpointFile);
      const manifest: CheckpointManifest = { version: 1, key: claim.key, step, ...(course > 0 && { course }), run: claim.run, environment, files };
      await writeWhole(join(directory, checkpointFile), sealedText(manifest));
      await syncTree(directory);
      const target = join(this.folder(claim.key), nameOf(step, course));
      await this.claims.whileHeld(claim, async () => {
        await makeFolder(this.folder(claim.key));
        await rm(target, { recursive: true, force: true });
        await rename(directory, target);
        await syncDirectory(this.folder(claim.key));
        await this.prune(claim.key, { step, course }, keep);
      });
      return describe(manifest, target);
    });
  }

  /**
   * The newest checkpoint that is whole, among those whose step `accept` takes. `deep` hashes every byte; else sizes alone are
   * compared, which is enough to plan with. Those that can't be used are told to `onSkip`; names that are no checkpoints' are ignored.
   */
  async newest(key: string, { deep = false, onSkip, accept = () => true }: {
    readonly deep?: boolean;
    readonly onSkip?: (skipped: Skipped) => void | Promise<void>;
    readonly accept?: (step: number) => boolean;
  } = {}): Promise<Checkpoint | undefined> {
    for (const { name, step, course } of await this.places(key)) {
      if (!accept(step)) continue;
      const directory = join(this.folder(key), name);
      const manifest = await readManifest(directory);
      const reason = manifest === undefined ? `${checkpointFile} is missing or can't be read`
        : manifest.key !== key || manifest.step !== step || (manifest.course ?? 0) !== course ? `${checkpointFile} is of another checkpoint`
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

  /** Moves a key's checkpoints, where there are any, into a folder. */
  async moveAside(key: string, folder: string): Promise<void> {
    await guarded(() => moveIfThere(this.folder(key), folder));
  }

  /** A key's checkpoints, newest first. */
  async places(key: string): Promise<Place[]> {
    const names = await guarded(() => namesIn(this.folder(key)));
    return names.flatMap((name) => {
      const [, step, course = "0"] = /^(\d+)(?:\.(\d+))?$/.exec(name) ?? [];
      return step === undefined ? [] : [{ name, step: Number(step), course: Number(course) }];
    }).sort((a, b) => b.course - a.course || b.step - a.step);
  }

  /** Removes what the new checkpoint supersedes: all but the newest up to it and those asked for, and any that claim to be later. */
  private async prune(key: string, newest: Pick<Place, "step" | "course">, asked: readonly number[]): Promise<void> {
    const places = await this.places(key);
    const isPast = ({ step, course }: Place) => step < newest.step || (step === newest.step && course === newest.course);
    const past = places.filter(isPast).sort((a, b) => b.step - a.step);
    const keep = past.filter(({ step }, index) => index < kept || asked.includes(step));
    for (const place of places) {
      if (!keep.includes(place)) await rm(join(this.folder(key), place.name), { recursive: true, force: true });
    }
  }

  /** Where a stage keeps what servers have replied; it goes when its checkpoints go. */
  repliesFile(key: string): string {
    return join(this.folder(key), "replies.jsonl");
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

function nameOf(step: number, course: number): string {
  return course === 0 ? String(step) : `${step}.${course}`;
}

function describe(manifest: CheckpointManifest, directory: string): Checkpoint {
  const { step, course = 0, run, environment, files } = manifest;
  return { step, course, run, environment, directory, digest: digestOf(manifest), bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
}
