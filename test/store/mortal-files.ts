import { spawnSync } from "node:child_process";
import type * as Files from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { join, sep } from "node:path";

type FileModule = typeof Files;

const someDead = spawnSync("true").pid;

const isLock = (path: string): boolean => /\.(lock|break)$/.test(path);

export class Death extends Error {}

/** A process whose file operations can be made to end with the n-th that changes anything; half of that one is done. */
export class Mortality {
  private left = Infinity;
  private dead = false;
  /** Bytes of files that would survive a power cut, where that is not all of them. */
  private readonly durable = new Map<string, number>();
  private real: FileModule | undefined;

  /** The file operations to use in place of Node's. */
  wrap(real: FileModule): FileModule {
    this.real = real;
    const changing = <Words extends unknown[], Result>(work: (...words: Words) => Promise<Result>, half?: (...words: Words) => Promise<void>) =>
      async (...words: Words): Promise<Result> => {
        await this.step(() => half?.(...words));
        return work(...words);
      };
    const reading = <Words extends unknown[], Result>(work: (...words: Words) => Promise<Result>) => async (...words: Words): Promise<Result> => {
      this.mustLive();
      return work(...words);
    };
    const rename = async (from: string, to: string) => {
      await real.rename(from, to);
      for (const [path, bytes] of [...this.durable]) {
        if (path !== from && !path.startsWith(from + sep)) continue;
        this.durable.delete(path);
        this.durable.set(to + path.slice(from.length), bytes);
      }
    };
    const halfRemoved = async (path: string) => {
      const [first] = await real.readdir(path).catch(() => []);
      if (first !== undefined) await real.rm(join(path, first), { recursive: true });
    };
    const open = async (path: string, flags?: string) => {
      if (flags === undefined || flags === "r") this.mustLive();
      else await this.step();
      return this.mortalHandle(path, await real.open(path, flags));
    };
    return {
      ...real, open: open as FileModule["open"], rename: changing(rename) as FileModule["rename"], rm: changing(real.rm, (path) => halfRemoved(String(path))),
      mkdir: changing(real.mkdir) as FileModule["mkdir"], mkdtemp: changing(real.mkdtemp) as FileModule["mkdtemp"],
      readFile: reading(real.readFile) as FileModule["readFile"], readdir: reading(real.readdir as () => Promise<never>) as unknown as FileModule["readdir"],
      stat: reading(real.stat) as FileModule["stat"],
    };
  }

  /** Dies with the n-th change from now, counted from 1. */
  dieAt(change: number): void {
    this.left = change;
  }

  /** Lets another process work on a home: the locks in it are those of a dead one. */
  async revive(home: string): Promise<void> {
    [this.left, this.dead] = [Infinity, false];
    const { writeFile, readdir } = this.real!;
    for (const name of await readdir(home, { recursive: true })) {
      if (isLock(name)) await writeFile(join(home, name), JSON.stringify({ pid: someDead, host: hostname(), started: "1" }));
    }
  }

  /** Takes away what was written and not synced. Locks without a name are waited for, which has a test of its own. */
  async cutPower(): Promise<void> {
    for (const [path, bytes] of this.durable) if (!isLock(path)) await this.real!.truncate(path, bytes).catch(() => undefined);
  }

  /** Takes everything that is written now as lasting. */
  remember(): void {
    this.durable.clear();
  }

  /** Files that were written and never synced. */
  async forget(directory: string): Promise<void> {
    for (const name of await this.real!.readdir(directory)) this.durable.set(join(directory, name), 0);
  }

  private mortalHandle(path: string, handle: FileHandle): FileHandle {
    const write = async (work: (text: string) => Promise<void>, content: unknown) => {
      const text = content instanceof Uint8Array ? Buffer.from(content).toString("latin1") : String(content);
      if (!this.durable.has(path)) this.durable.set(path, (await handle.stat()).size);
      await this.step(() => work(text.slice(0, text.length >> 1)));
      await work(text);
    };
    const changed: Partial<Record<string | symbol, unknown>> = {
      writeFile: (content: unknown) => write((text) => handle.writeFile(text), content),
      appendFile: (content: unknown) => write((text) => handle.appendFile(text), content),
      truncate: async (bytes: number) => {
        await this.step();
        await handle.truncate(bytes);
      },
      sync: async () => {
        await this.step();
        // What a sync does is kept in `durable` here; the disk's own would take most of the test's time.
        this.durable.delete(path);
      },
      // The system closes what a dead process had open.
      close: () => handle.close(),
    };
    return new Proxy(handle, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        return changed[name] ?? (typeof found === "function" ? (...words: unknown[]) => {
          this.mustLive();
          return found.apply(target, words) as unknown;
        } : found);
      },
    });
  }

  private async step(half?: () => Promise<void> | undefined): Promise<void> {
    this.mustLive();
    this.left -= 1;
    if (this.left > 0) return;
    this.dead = true;
    await half?.();
    throw new Death("the process has died");
  }

  private mustLive(): void {
    if (this.dead) throw new Death("the process is dead");
  }
}
