import type { LedgerEntry } from "../schemas/events.js";
import { defineCommand, jsonOption } from "./command.js";
import { openStore } from "./store.js";
import { moment, story } from "./story.js";

/** `trueline history RUN`: a run's ledger as a story. */
export const historyCommand = defineCommand({
  name: "history",
  arguments: "<run>",
  summary: "tell everything that happened in a run",
  details: "Read from the ledger, which outlasts any server's history. --json gives its entries with their hashes.",
  examples: ["trueline history hh-ppo-max-20260101-k3v9qz", "trueline history hh-ppo-max-20260101-k3v9qz --json"],
  options: { json: jsonOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    await store.runs.read(id);
    const entries = await store.ledger.read(id);
    if (options.json) output.json(entries);
    else for (const entry of entries) output.data(line(entry));
    return 0;
  },
});

/** An entry's own line breaks are indented, so that no reason or message can look like an entry. */
function line({ at, event }: LedgerEntry): string {
  const time = moment(at);
  return `${time}  ${story(event).replaceAll("\n", `\n${" ".repeat(time.length + 2)}`)}`;
}
