import { Command, CommanderError } from "commander";
import { errorRegistry } from "../foundation/errors.js";
import { version } from "../foundation/version.js";
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
    if (error instanceof CommanderError) return commanderExit(error, output, fail);
    const { text, exit, document } = describeFailure(error, output.noteColors, debug);
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
    })
    .showHelpAfterError("See `trueline --help`, or `trueline COMMAND --help`.")
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

/** Commander has printed its own words, except for option values that our schemas refused. */
function commanderExit(error: CommanderError, output: Output, fail: (failure: object) => void): number {
  if (error.code === "commander.invalidArgument") output.note(`error: ${error.message}`);
  // Help that was asked for is no error; help for want of a command is.
  if (error.exitCode === 0) return 0;
  const { exit, remedy } = errorRegistry.TL_USAGE;
  fail({ code: "TL_USAGE", message: error.message.replace(/^error: /, ""), hint: remedy, exit });
  return exit;
}
