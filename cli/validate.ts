import { counted } from "../foundation/text.js";
import { SpecError } from "../planner/fault.js";
import { createPlan } from "../planner/plan.js";
import { sweepText } from "./sweep-view.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";

/** `trueline validate SPEC`: every fault with its place; exit 5 where there is one. */
export const validateCommand = defineCommand({
  name: "validate",
  arguments: "<spec>",
  summary: "check a spec, the files it names included",
  details: "Lists every fault with line, column and what would be right, and exits with 5 where there is one.\nNothing is run or written. Of data files the start is looked at; `trueline data SPEC` reads all rows, and says which are bad, too long or cut.",
  examples: ["trueline validate pipelines/quickstart.json", "trueline validate my.json --allow-path /data --json"],
  options: { json: jsonOption, allowPath: allowPathOption },
  async run({ arguments: [path = ""], options, output }) {
    try {
      const { name, stages, sweep, warnings } = await createPlan(path, { allowPaths: options.allowPath });
      if (options.json) {
        output.json({ valid: true, name, stages: stages.length, ...(sweep !== undefined && { variants: sweep.variants.length }), faults: [], warnings });
        return 0;
      }
      for (const warning of warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
      output.data(`${path} is valid: ${counted(stages.length, "stage")}.`);
      if (sweep !== undefined) output.data(sweepText(sweep, stages));
      return 0;
    } catch (error) {
      if (!options.json || !(error instanceof SpecError)) throw error;
      output.json({ valid: false, faults: error.diagnostics, warnings: [] });
      return error.entry.exit;
    }
  },
});
