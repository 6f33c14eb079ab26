import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Store } from "../../store/store.js";
import { program, Project, type Ended, type Running } from "../e2e/program.js";
import { markVariable, processesMarked, signal, type Found, type Role } from "./processes.js";
import { Broken, must } from "./scenario.js";

export interface Setting {
  /** Another build of the program. */
  readonly program?: string;
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
}

const patienceSeconds = 1200;

/** A project directory whose processes can all be found, whoever started them and whoever has died. */
export class Place extends Project {
  private readonly mark = randomUUID();
  private readonly endings: (() => void)[] = [];

  static override async create(name = "chaos"): Promise<Place> {
    return new Place(...await Project.prepare(name));
  }

  get store(): Store {
    return new Store(this.home);
  }

  override start(...words: readonly string[]): Running {
    return this.startWith({}, ...words);
  }

  startWith({ program: path = program, environment = {} }: Setting, ...words: readonly string[]): Running {
    return this.startProgram(path, words, { [markVariable]: this.mark, ...environment });
  }

  /** A server for processes of other places; gives its address once it answers. */
  async startServer(): Promise<string> {
    const { child, ended } = this.start("server", "--json");
    return new Promise((resolve, reject) => {
      child.stdout!.once("data", (text: Buffer) => resolve((JSON.parse(text.toString()) as { address: string }).address));
      void ended.then(({ stderr }) => reject(new Broken(`the server has ended: ${stderr}`)));
    });
  }

  processes(...roles: readonly Role[]): Found[] {
    return processesMarked(this.mark).filter(({ role }) => roles.length === 0 || roles.includes(role));
  }

  /** Waits until none of the place's processes are left, and gives those that are still there after `seconds`. */
  async untilQuiet(seconds: number): Promise<Found[]> {
    const deadline = performance.now() + seconds * 1000;
    while (this.processes().length > 0 && performance.now() < deadline) await sleep(100);
    return this.processes();
  }

  killAll(): void {
    // Twice: a process may have been forked between the look and the signal.
    for (let round = 0; round < 2; round++) signal(this.processes(), "SIGKILL");
  }

  /** Waits for a command that must succeed. */
  async finish(command: Running): Promise<Ended> {
    const ended = await command.ended;
    must(ended.code === 0, `a command ended with ${ended.code}: ${ended.stderr.trim().split("\n").slice(-4).join(" | ")}`);
    return ended;
  }

  /** Waits until `holds` gives something, however busy the machine; what takes longer than `patienceSeconds` never comes. */
  async until<T>(what: string, holds: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + patienceSeconds * 1000;
    for (;;) {
      const found = await holds();
      if (found !== undefined && found !== false) return found;
      must(performance.now() < deadline, `${what}: not within ${patienceSeconds} s`);
      await sleep(50);
    }
  }

  /** Does something before the directory is removed, whatever happens. */
  beforeRemoval(work: () => void): void {
    this.endings.push(work);
  }

  /** Ids of the runs that the store knows, newest first. */
  async runs(): Promise<string[]> {
    return (await this.store.runs.list()).map(({ id }) => id);
  }

  override async remove(): Promise<void> {
    this.killAll();
    await this.untilQuiet(5);
    for (const work of this.endings.reverse()) work();
    await super.remove();
  }
}
