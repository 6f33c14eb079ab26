import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../foundation/canonical.js";
import { findBinary } from "../../temporal/binary.js";

/** The built program. */
export const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A pipeline of two stages that takes seconds. */
export const tiny = {
  version: 1, name: "tiny", seed: 5,
  data: { documents: { format: "text", path: "sample/documents.jsonl.gz", holdout: 0.1 } },
  models: { nano: { architecture: "llama", layers: 1, hidden: 32, heads: 2, context: 64, tokenizer: "bpe" } },
  stages: {
    bpe: { kind: "tokenizer", data: "documents", vocabulary: 320 },
    base: { kind: "pretrain", model: "nano", data: "documents", steps: 600, batch: 4, length: 32, learningRate: 1e-3, checkpoint: { everySteps: 40 } },
  },
};

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** An empty project directory in which the built program is run. */
export class Project {
  protected constructor(readonly directory: string, private readonly path: string) {}

  static async create(): Promise<Project> {
    return new Project(...await Project.prepare("e2e"));
  }

  /** A new directory, and a PATH on which the Temporal server's program is. */
  protected static async prepare(name: string): Promise<[directory: string, path: string]> {
    if (!existsSync(program)) throw new Error("Build first: npm run build");
    const binary = await findBinary({ environment: process.env, say: (text) => console.error(text) });
    return [await mkdtemp(join(tmpdir(), `trueline-${name}-`)), `${dirname(binary)}:${process.env.PATH ?? ""}`];
  }

  get home(): string {
    return join(this.directory, ".trueline");
  }

  async write(name: string, spec: unknown): Promise<void> {
    await writeFile(join(this.directory, name), JSON.stringify(spec));
  }

  /** Starts a command in a process group of its own. */
  start(...words: readonly string[]): Running {
    return this.startProgram(program, words);
  }

  /** The same with another build of the program, or with more in its environment. */
  startProgram(path: string, words: readonly string[], more: Readonly<NodeJS.ProcessEnv> = {}): Running {
    const { TEMPORAL_ADDRESS: _, TRUELINE_HOME: __, FORCE_COLOR: ___, ...environment } = process.env;
    const began = performance.now();
    const child = spawn(process.execPath, [path, ...words], {
      cwd: this.directory, detached: true, stdio: ["ignore", "pipe", "pipe"],
      env: { ...environment, PATH: this.path, TEMPORAL_CONFIG_FILE: join(this.directory, "no-such-profile.toml"), ...more },
    });
    const text = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => { text.stdout += chunk.toString(); });
    child.stderr.on("data", (chunk: Buffer) => { text.stderr += chunk.toString(); });
    const ended = new Promise<Ended>((resolve) => {
      child.once("close", (code) => resolve({ code, ...text, seconds: (performance.now() - began) / 1000 }));
    });
    return { child, ended };
  }

  async run(...words: readonly string[]): Promise<Ended> {
    return this.start(...words).ended;
  }

  /** Waits until a stage has a checkpoint at or after a step. */
  async untilCheckpoint(step: number): Promise<void> {
    for (let looks = 0; looks < 24_000; looks++) {
      const folder = join(this.home, "checkpoints");
      for (const key of await readdir(folder).catch(() => [])) {
        if ((await readdir(join(folder, key)).catch(() => [])).some((name) => Number(name) >= step)) return;
      }
      await sleep(25);
    }
    throw new Error(`no checkpoint at step ${step}`);
  }

  /** SHA-256 of the weights of every model in the store. */
  async weights(): Promise<string[]> {
    const folder = join(this.home, "artifacts");
    const found: string[] = [];
    for (const digest of await readdir(folder)) {
      const path = join(folder, digest, "model.safetensors");
      if (existsSync(path)) found.push(sha256(await readFile(path)));
    }
    return found.sort();
  }

  async remove(): Promise<void> {
    // A server that ends writes its last.
    await rm(this.directory, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  }
}

/** Sends a signal to a command and all that it started in its group. */
export function signalGroup({ child }: Running, signal: NodeJS.Signals): void {
  process.kill(-child.pid!, signal);
}
