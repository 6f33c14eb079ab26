import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Store } from "../../store/store.js";
import { program, Project, type Running } from "../e2e/program.js";
import { markVariable, processesMarked, signal, type Found, type Role } from "./processes.js";

export interface Setting {
  /** Another build of the program. */
  readonly program?: string;
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
}

/** A project directory whose processes can all be found, whoever started them and whoever has died. */
export class Place extends Project {
  private readonly mark = randomUUID();

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

  /** Ids of the runs that the store knows, newest first. */
  async runs(): Promise<string[]> {
    return (await this.store.runs.list()).map(({ id }) => id);
  }

  override async remove(): Promise<void> {
    this.killAll();
    await this.untilQuiet(5);
    await super.remove();
  }
}
