import { rm } from "node:fs/promises";
import { join } from "node:path";
import { resultSchema, type StageResult } from "../schemas/artifact.js";
import type { Artifacts } from "./artifacts.js";
import type { Claim, Claims } from "./claims.js";
import { guarded, moveIfThere, namesIn, readIfThere, writeWhole } from "./files.js";
import { sealedText, unsealed } from "./records.js";

/** What is wrong with a key's result, in words: with its record, with the artifact that it names, or that this is not there any more. */
export type Damage = { readonly fault: string } & ({ readonly of: "record" | "nothing" } | { readonly of: "artifact"; readonly artifact: string });

/** Finished results by stage key: `results/<key>.json`. */
export class Results {
  constructor(private readonly home: string, private readonly artifacts: Artifacts, private readonly claims: Claims) {}

  /** The result of a key whose artifact is there whole (sizes compared); undefined sends the stage to run again. */
  async find(key: string): Promise<StageResult | undefined> {
    const result = await this.read(key);
    return result !== undefined && await this.artifacts.fault(result.artifact) === undefined ? result : undefined;
  }

  /** Why a key's result, which is there, can't be used; undefined where there is none or nothing is wrong with it. */
  async damage(key: string): Promise<Damage | undefined> {
    const text = await guarded(() => readIfThere(this.path(key)));
    if (text === undefined) return undefined;
    const artifact = unsealed(text, resultSchema)?.artifact;
    if (artifact === undefined) return { of: "record", fault: `${this.path(key)} is not as it was written` };
    const fault = await this.artifacts.fault(artifact);
    if (fault === undefined) return undefined;
    return await this.artifacts.isThere(artifact) ? { of: "artifact", fault: `of its artifact ${artifact.slice(0, 12)} ${fault}`, artifact } : { of: "nothing", fault };
  }

  /** The same, to be used: its artifact stays for the next hour, whatever `gc` has planned. */
  async use(key: string): Promise<StageResult | undefined> {
    const result = await this.read(key);
    return result !== undefined && await this.artifacts.use(result.artifact) ? result : undefined;
  }

  /** Removes a key's result if it is this artifact. */
  async remove(key: string, artifact: string): Promise<void> {
    if ((await this.read(key))?.artifact !== artifact) return;
    await this.claims.exclusively(key, async () => {
      if ((await this.read(key))?.artifact === artifact) await guarded(() => rm(this.path(key), { force: true }));
    });
  }

  /** Records a key's result. Throws TL_STORE_SUPERSEDED to a fenced attempt. */
  async publish(claim: Claim, result: StageResult): Promise<void> {
    await this.claims.whileHeld(claim, () => guarded(() => writeWhole(this.path(result.key), sealedText(result))));
  }

  /** Moves a key's result, where there is one, into a folder, so that the stage is computed anew. */
  async moveAside(key: string, folder: string): Promise<void> {
    await guarded(() => moveIfThere(this.path(key), folder));
  }

  /** What is recorded as a key's result, its artifact there or not. */
  async read(key: string): Promise<StageResult | undefined> {
    const text = await guarded(() => readIfThere(this.path(key)));
    return text === undefined ? undefined : unsealed(text, resultSchema);
  }

  /** Keys that have a file of a result, whatever it holds. */
  async keys(): Promise<string[]> {
    const names = await guarded(() => namesIn(join(this.home, "results")));
    return names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, -".json".length));
  }

  path(key: string): string {
    return join(this.home, "results", `${key}.json`);
  }
}
