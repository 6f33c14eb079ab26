import { errorRegistry } from "../foundation/errors.js";

const exits: Readonly<Record<number, string>> = { 1: "failed", 2: "usage", 3: "not found", 4: "conflict", 5: "invalid spec" };

/** docs/errors.md: the registry as a page. */
export function errorsDocument(): string {
  const sections = Object.entries(errorRegistry).map(([code, { exit, retry, meaning, remedy }]) => [
    `## ${code}`, "", meaning, "", remedy, "", `Exit code ${exit} (${exits[exit]}).${retry ? " Retried by itself: it may pass." : ""}`, "",
  ].join("\n"));
  return [
    "# Errors", "",
    "Every failure that a user can meet has a stable code. The message beside it says what was wrong where; this page says what a code",
    "means in general. `npm run schema` writes it from `foundation/errors.ts`.", "",
    "`TRUELINE_DEBUG=1` adds stack traces. Exit codes: 0 done, 1 the run failed or an internal error, 2 usage, 3 not found, 4 conflict, 5 invalid spec, 6 the run waits for a person: paused, asking, or ended where `--until` says.", "",
    ...sections,
  ].join("\n");
}
