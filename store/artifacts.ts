import { mkdtemp, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder, syncDirectory } from "../foundation/files.js";
import { systemCode } from "../foundation/storage-faults.js";
import { manifestSchema, type ArtifactMetadata, type Manifest } from "../schemas/artifact.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import { faultIn, guarded, namesIn, readIfThere, recordFiles, syncTree, writeWhole } from "./files.js";
import { withLock } from "./lock.js";
import { parseJson, recordText } from "./records.js";

const manifestName = "artifact.json";

/** Artifacts by digest: real directories `artifacts/<digest>/`, each with its manifest. */
export class Artifacts {
  constructor(private readonly home: string) {}

  /** Digests of all artifacts that the store has a directory of. */
  async digests(): Promise<string[]> {
    return (await guarded(() => namesIn(join(this.home, "artifacts")))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  directory(digest: string): string {
    return join(this.home, "artifacts", digest);
  }

  /**
   * Makes an artifact of a directory's files by moving it into the store; gives the artifact's digest. Whole or not at
   * all: files and names are on the disk before the one rename that publishes them.
   */
  async publish(directory: string, type: ArtifactType, metadata: ArtifactMetadata): Promise<string> {
    return guarded(async () => {
      const manifest: Manifest = { version: 1, type, files: await recordFiles(directory, manifestName), metadata };
      const digest = digestOf(manifest);
      await writeWhole(join(directory, manifestName), recordText(manifest));
      await syncTree(directory);
      const target = this.directory(digest);
      if (await this.use(digest, { deep: true })) {
        await rm(directory, { recursive: true });
        return digest;
      }
      await makeFolder(join(this.home, "artifacts"));
      await this.exclusively(digest, async () => {
        await rm(target, { recursive: true, force: true });
        await rename(directory, target);
        await syncDirectory(join(this.home, "artifacts"));
      });
      return digest;
    });
  }

  /**
   * Marks an artifact as used now and says whether it is there whole (`deep`: every byte hashed; else sizes compared). `gc` removes nothing that was used
   * within the hour, and marking and removing exclude each other: what is whole here can be relied on.
   */
  async use(digest: string, { deep = false } = {}): Promise<boolean> {
    if (await this.fault(digest, { deep }) !== undefined) return false;
    return this.exclusively(digest, async () => {
      if (await this.fault(digest) !== undefined) return false;
      const now = new Date();
      await guarded(() => utimes(this.directory(digest), now, now));
      return true;
    });
  }

  /** Does `work` while nobody else begins to use the artifact, publishes or removes it. */
  async exclusively<T>(digest: string, work: () => Promise<T>): Promise<T> {
    return withLock(`${this.directory(digest)}.lock`, work);
  }

  /** Whether there is a directory of an artifact, whole or not. */
  async isThere(digest: string): Promise<boolean> {
    return stat(this.directory(digest)).then(() => true, () => false);
  }

  /** The manifest of an artifact. Throws TL_STORE_MISSING or TL_STORE_CORRUPT. */
  async read(digest: string): Promise<Manifest> {
    const path = join(this.directory(digest), manifestName);
    const text = await guarded(() => readIfThere(path));
    if (text === undefined) throw new TruelineError("TL_STORE_MISSING", `There is no artifact ${digest.slice(0, 12)} in ${this.home}.`);
    const manifest = manifestSchema.safeParse(parseJson(text)).data;
    if (manifest === undefined || digestOf(manifest) !== digest) {
      throw new TruelineError("TL_STORE_CORRUPT", `${path} is not the manifest it was.`, {
        hint: `Remove ${this.directory(digest)}; the stage is then run again.`,
      });
    }
    return manifest;
  }

  /** Moves a damaged artifact out of the way, to `damaged/`, so that it is made again and can still be looked at. */
  async setAside(digest: string): Promise<void> {
    await guarded(async () => {
      const folder = join(this.home, "damaged");
      await makeFolder(folder);
      await rename(this.directory(digest), await mkdtemp(join(folder, `${digest}-`))).catch((error: unknown) => {
        // Another stage that reads it was faster.
        if (systemCode(error) !== "ENOENT") throw error;
      });
      await syncDirectory(folder);
    });
  }

  /**
   * What is wrong with an artifact, in words; undefined when nothing is. An adapter is as whole as what it stands on. `deep` hashes every
   * byte, else sizes are compared; `file` limits it to one.
   */
  async fault(digest: string, { deep = false, file }: { readonly deep?: boolean; readonly file?: string } = {}): Promise<string | undefined> {
    try {
      const { files, metadata: { base } } = await this.read(digest);
      const own = await faultIn(this.directory(digest), files.filter(({ path }) => file === undefined || path === file), deep);
      if (own !== undefined || file !== undefined || base === undefined || "path" in base) return own;
      const under = await this.fault(base.artifact, { deep });
      return under && `what its adapter stands on: ${under}`;
    } catch (error) {
      if (error instanceof TruelineError) return error.message;
      throw error;
    }
  }
}
