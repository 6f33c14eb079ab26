import { join } from "node:path";
import { resultSchema, type StageResult } from "../schemas/artifact.js";
import type { Artifacts } from "./artifacts.js";
import type { Claim, Claims } from "./claims.js";
import { guarded, namesIn, readIfThere, writeWhole } from "./files.js";

/** Finished results by stage key: `results/<key>.json`. */
export class Results {
  constructor(private readonly home: string, private readonly artifacts: Artifacts, private readonly claims: Claims) {}

  /** The result of a key whose artifact is there whole (sizes compared); undefined sends the stage to run again. */
  async find(key: string): Promise<StageResult | undefined> {
    const result = await this.read(key);
    return result !== undefined && await this.artifacts.fault(result.artifact) === undefined ? result : undefined;
  }

  /** Records a key's result. Throws TL_STORE_SUPERSEDED to a fenced attempt. */
  async publish(claim: Claim, result: StageResult): Promise<void> {
    await this.claims.whileHeld(claim, () => guarded(() => writeWhole(this.path(result.key), `${JSON.stringify(result, undefined, 1)}\n`)));
  }

  /** Every result there is, for time estimates. */
  async all(): Promise<StageResult[]> {
    const names = (await guarded(() => namesIn(join(this.home, "results")))).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    const results = await Promise.all(names.map((name) => this.read(name.slice(0, -".json".length))));
    return results.filter((result) => result !== undefined);
  }

  private async read(key: string): Promise<StageResult | undefined> {
    const text = await guarded(() => readIfThere(this.path(key)));
    try {
      return text === undefined ? undefined : resultSchema.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  }

  private path(key: string): string {
    return join(this.home, "results", `${key}.json`);
  }
}
