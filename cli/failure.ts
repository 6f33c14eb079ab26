import type pc from "picocolors";
import { errorRegistry, TruelineError } from "../foundation/errors.js";
import { diagnosticText, SpecError } from "../planner/fault.js";

/** What to print on stderr about an error, the same as one object for `--json`, and the exit code. Stack traces are for `debug` alone. */
export function describeFailure(
  error: unknown, colors: ReturnType<typeof pc.createColors>, debug: boolean,
): { readonly text: string; readonly document: object; readonly exit: number } {
  const known = error instanceof TruelineError ? error : new TruelineError("TL_INTERNAL", messageOf(error), {
    hint: errorRegistry.TL_INTERNAL.remedy, cause: error,
  });
  const lines = known instanceof SpecError
    ? [...known.diagnostics.map((each) => `${diagnosticText(each, { place: colors.bold, fault: colors.red, hint: colors.cyan })}\n`), `${colors.red(known.code)} ${known.summary}`]
    : [`${colors.red(known.code)} ${known.message}`];
  if (known.hint !== undefined) lines.push(`${colors.cyan("hint:")} ${known.hint}`);
  if (debug) lines.push(...stacks(error));
  const { code, message, hint, entry: { exit } } = known;
  const document = known instanceof SpecError ? { code, message: known.summary, hint, exit, faults: known.diagnostics } : { code, message, hint, exit };
  return { text: lines.join("\n"), document, exit };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The stack of an error and of everything that caused it. */
function stacks(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  return [error.stack ?? error.message, ...(error.cause === undefined ? [] : ["caused by:", ...stacks(error.cause)])];
}
