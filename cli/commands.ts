import type { CommandDefinition } from "./command.js";

/** Every command, in the order that `--help` lists them. Loaded when asked for, so that each starts quickly. */
export const commands: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  run: async () => (await import("./run.js")).runCommand,
  validate: async () => (await import("./validate.js")).validateCommand,
  plan: async () => (await import("./plan.js")).planCommand,
  submit: async () => (await import("./submit.js")).submitCommand,
  worker: async () => (await import("./worker.js")).workerCommand,
  server: async () => (await import("./server.js")).serverCommand,
  runs: async () => (await import("./runs.js")).runsCommand,
  status: async () => (await import("./status.js")).statusCommand,
  watch: async () => (await import("./watch.js")).watchCommand,
  resume: async () => (await import("./resume.js")).resumeCommand,
  pause: async () => (await import("./pause.js")).pauseCommand,
  unpause: async () => (await import("./unpause.js")).unpauseCommand,
  cancel: async () => (await import("./cancel.js")).cancelCommand,
  history: async () => (await import("./history.js")).historyCommand,
  verify: async () => (await import("./verify.js")).verifyCommand,
  gc: async () => (await import("./gc.js")).gcCommand,
  trace: async () => (await import("./trace.js")).traceCommand,
  pin: async () => (await import("./pin.js")).pinCommand,
  unpin: async () => (await import("./pin.js")).unpinCommand,
  report: async () => (await import("./report.js")).reportCommand,
  generate: async () => (await import("./generate.js")).generateCommand,
  export: async () => (await import("./export.js")).exportCommand,
};
