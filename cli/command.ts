import type { Command } from "commander";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import type { Output } from "./output.js";

/**
 * How to add a command: write cli/NAME.ts that exports `const nameCommand = defineCommand({ … })`, and add a line to the
 * table in commands.ts. Import heavy rooms (temporal, backends, training) inside `run`, so that `--help` stays quick.
 * `run` prints data with `output.data` or `output.json` and everything else with `output.note`; it throws
 * TruelineError for failures and returns an exit code only where that differs from 0 without an error.
 */
export interface CommandDefinition {
  readonly name: string;
  readonly register: (program: Command, output: Output, finish: (code: number) => void) => void;
}

export interface OptionDefinition<Schema extends z.ZodType = z.ZodType> {
  /** Commander's form: `--max-tokens <number>` takes a value, `--json` none, `--allow-path <dir...>` several. */
  readonly flags: string;
  readonly summary: string;
  /** Checks and converts what the user wrote; its default is the option's. */
  readonly schema: Schema;
}

type Options = Readonly<Record<string, OptionDefinition>>;
type Values<Definitions extends Options> = { readonly [Name in keyof Definitions]: z.output<Definitions[Name]["schema"]> };

export interface Invocation<Definitions extends Options> {
  /** As many as `arguments` declares; a missing optional one is undefined. Those of `[run...]` follow one another. */
  readonly arguments: readonly string[];
  readonly options: Values<Definitions>;
  readonly output: Output;
}

interface Definition<Definitions extends Options> {
  readonly name: string;
  /** Commander's form, such as `<spec>` or `<run> [stage]`. */
  readonly arguments?: string;
  readonly summary: string;
  /** Longer text for `--help`. */
  readonly details?: string;
  /** Command lines that work as they stand, shown by `--help`. At least one. */
  readonly examples: readonly [string, ...string[]];
  /** By camel-case name: `maxTokens` for `--max-tokens`. */
  readonly options: Definitions;
  readonly run: (invocation: Invocation<Definitions>) => Promise<number | undefined>;
}

/** A command of the command line, its options checked and typed by their schemas. */
export function defineCommand<const Definitions extends Options>(definition: Definition<Definitions>): CommandDefinition {
  const register: CommandDefinition["register"] = (program, output, finish) => {
    const command = program.command(definition.name).summary(definition.summary)
      .description(definition.details === undefined ? definition.summary : `${definition.summary}\n\n${definition.details}`);
    if (definition.arguments !== undefined) command.arguments(definition.arguments);
    for (const { flags, summary, schema } of Object.values(definition.options)) {
      const byDefault = schema.safeParse(undefined).data;
      const shown = typeof byDefault === "number" || typeof byDefault === "string" ? ` (default: ${byDefault})` : "";
      command.option(flags, summary + shown);
    }
    command.addHelpText("after", `\nExamples:\n${definition.examples.map((example) => `  $ ${example}`).join("\n")}`);
    command.action(async () => {
      const code = await definition.run({
        arguments: command.processedArgs.flat().map((argument: unknown) => argument as string),
        options: readOptions(definition.name, definition.options, command.opts()),
        output,
      });
      if (typeof code === "number") finish(code);
    });
  };
  return { name: definition.name, register };
}

/** Errors: TL_USAGE for a value that an option does not take. */
function readOptions<Definitions extends Options>(command: string, definitions: Definitions, given: Record<string, unknown>): Values<Definitions> {
  const values = Object.entries(definitions).map(([name, { flags, schema }]) => {
    const parsed = schema.safeParse(given[name]);
    if (parsed.success) return [name, parsed.data];
    const flag = flags.split(" ")[0]!;
    const issue = parsed.error.issues[0]!;
    const value = [given[name]].flat()[Number(issue.path[0] ?? 0)];
    throw new TruelineError("TL_USAGE", `${flag} is ${JSON.stringify(value)}; it has to be ${wordsOf(issue)}.`, { hint: seeHelp(command) });
  });
  return Object.fromEntries(values) as Values<Definitions>;
}

/** Where to look after a usage error. */
export const seeHelp = (command?: string): string => `See \`trueline ${command === undefined ? "" : `${command} `}--help\`.`;

/** What a value has to be, in the words of its schema or in those for what schemas say by themselves. */
function wordsOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value": return issue.values.map(String).join(" or ");
    case "too_small": return issue.origin === "string" ? "a text that is not empty" : issue.message;
    default: return issue.message;
  }
}

/** Options that several commands share. */
export const jsonOption = {
  flags: "--json", summary: "print one JSON document on stdout; of a failure {\"error\": …}", schema: z.boolean().default(false),
} satisfies OptionDefinition;

export const allowPathOption = {
  flags: "--allow-path <directory...>",
  summary: "lets the spec name absolute data paths inside this directory",
  schema: z.array(z.string()).default([]),
} satisfies OptionDefinition;
