// Greedy continuations by transformers.js, as JSON by directory.
// usage: node generate.mjs MODULE_FOLDER TOKENS.json DIRECTORY...
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, tokens, ...directories] = process.argv.slice(2);
const found = createRequire(`${modules}/package.json`).resolve("@huggingface/transformers");
const { AutoModelForCausalLM, Tensor, env } = await import(pathToFileURL(found).href);
env.allowRemoteModels = false;
const prompt = JSON.parse(readFileSync(tokens, "utf8"));
const int64 = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
const continuations = {};
for (const directory of directories) {
  env.localModelPath = `${dirname(directory)}/`;
  const model = await AutoModelForCausalLM.from_pretrained(basename(directory), { dtype: "fp32" });
  const output = await model.generate({ inputs: int64(prompt), attention_mask: int64(prompt.map(() => 1)), max_new_tokens: 12, do_sample: false });
  continuations[directory] = output.tolist()[0].slice(prompt.length).map(Number);
  await model.dispose();
}
console.log(JSON.stringify(continuations));
