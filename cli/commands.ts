import type { CommandDefinition } from "./command.js";

/** Every command, in the order that `--help` lists them. Loaded when asked for, so that each starts quickly. */
export const commands: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  validate: async () => (await import("./validate.js")).validateCommand,
  plan: async () => (await import("./plan.js")).planCommand,
};
