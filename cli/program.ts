import { Command, CommanderError } from "commander";
import { errorRegistry, TruelineError } from "../foundation/errors.js";
import { version } from "../foundation/version.js";
import { seeHelp } from "./command.js";
import { commands } from "./commands.js";
import { describeFailure } from "./failure.js";
import type { Output } from "./output.js";

/**
 * Runs one command line (without node and script) and gives the exit code: 0 done, 1 failed, 2 usage, 3 not found,
 * 4 conflict, 5 invalid spec, 6 the run waits for a person. Never throws.
 */
export async function runProgram(words: readonly string[], output: Output, debug: boolean): Promise<number> {
  let code = 0;
  let answered = false;
  const json = (value: unknown) => {
    answered = true;
    output.json(value);
  };
  // A document that was already printed stays the only one.
  const fail = (failure: object) => { if (wantsJson(words) && !answered) json({ error: failure }); };
  try {
    const program = await createProgram(words[0], { ...output, json }, (exit) => { code = exit; });
    await program.parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help")) return helpExit(error, fail);
    const { text, exit, document } = describeFailure(error instanceof CommanderError ? usageError(error, words[0]) : error, output.noteColors, debug);
    output.note(text);
    fail(document);
    return exit;
  }
}

async function createProgram(first: string | undefined, output: Output, finish: (code: number) => void): Promise<Command> {
  const program = new Command("trueline")
    .description("Runs alignment pipelines declared in JSON: supervised fine-tuning, reward modelling, PPO-max, evaluation.")
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.data(text.trimEnd()),
      writeErr: (text) => output.note(text.trimEnd()),
      // What is wrong with a command line is told as all other failures are.
      outputError: () => undefined,
    })
    .addHelpText("after", [
      "", "Examples:",
      "  $ trueline run pipelines/quickstart.json",
      "  $ trueline plan pipelines/quickstart.json",
      "", "Exit codes: 0 done, 1 the run failed or an internal error, 2 usage, 3 not found, 4 conflict, 5 invalid spec,",
      "6 the run waits for a person: it is paused, or nothing goes on before an approval.",
      "With --json a failure is one object on stdout too: {\"error\": {\"code\", \"message\", \"hint\", \"exit\"}}.",
    ].join("\n"));
  const wanted = first !== undefined && Object.hasOwn(commands, first) ? [commands[first]!] : Object.values(commands);
  for (const command of await Promise.all(wanted.map((each) => each()))) command.register(program, output, finish);
  return program;
}

function wantsJson(words: readonly string[]): boolean {
  return words.slice(0, words.includes("--") ? words.indexOf("--") : undefined).includes("--json");
}

/** Help that was asked for is no error; help for want of a command is. It is printed already. */
function helpExit({ exitCode }: CommanderError, fail: (failure: object) => void): number {
  if (exitCode === 0) return 0;
  const { exit, remedy } = errorRegistry.TL_USAGE;
  fail({ code: "TL_USAGE", message: "No command is named.", hint: remedy, exit });
  return exit;
}

/** What Commander finds wrong with a command line, as an error of ours: "Unknown option '--slts' (did you mean --slots?)." */
function usageError({ message }: CommanderError, command: string | undefined): TruelineError {
  const [first = "", ...suggestions] = message.replace(/^error: /, "").replace(/\.$/, "").split("\n");
  const said = [first.charAt(0).toUpperCase() + first.slice(1), ...suggestions.map((line) => line.replace("(Did", "(did"))].join(" ");
  return new TruelineError("TL_USAGE", `${said}.`, { hint: seeHelp(command !== undefined && Object.hasOwn(commands, command) ? command : undefined) });
}
