import type { ArtifactType } from "../schemas/stages/table.js";

/** A stage that something was made by. */
export interface CardStage {
  readonly run: string;
  readonly stage: string;
  readonly kind: string | undefined;
  readonly artifact: string;
  readonly finishedAt: string;
  readonly seed: number | undefined;
  readonly parameters: Readonly<Record<string, unknown>> | undefined;
  readonly figures: Readonly<Record<string, number>>;
  readonly inputs: readonly { readonly input: string; readonly from: "stage" | "file" | "directory"; readonly name: string; readonly digest: string; readonly format?: string }[];
  readonly plan: { readonly specPath: string; readonly specDigest: string } | undefined;
}

export interface CardFacts {
  /** RUN/STAGE that it was exported from. */
  readonly name: string;
  readonly type: ArtifactType;
  readonly artifact: string;
  /** What made it, the nearest first. */
  readonly makings: readonly CardStage[];
  /** What people and guards decided on the way, one line each. */
  readonly decisions: readonly string[];
  /** Versions of what computed. */
  readonly versions: Readonly<Record<string, string>>;
  /** Other forms that the directory has. */
  readonly hasOnnx: boolean;
  /** Type of the weights in the files. */
  readonly dtype: string;
  /** Of an adapter: the model that it stands on, which the directory does not hold. */
  readonly base?: string;
}

/** What Hugging Face's hub calls the task; tokenizers and reports are no models. */
const tasks: Readonly<Record<ArtifactType, { readonly task?: string; readonly words: string; readonly loader?: string }>> = {
  "language-model": { task: "text-generation", words: "A language model", loader: "AutoModelForCausalLM" },
  "reward-model": { task: "text-classification", words: "A reward model: one score for a conversation", loader: "AutoModelForSequenceClassification" },
  "value-model": { task: "token-classification", words: "A value model, the critic of PPO: one value for every token", loader: "AutoModelForTokenClassification" },
  tokenizer: { words: "A tokenizer" },
  preferences: { words: "Preference pairs of a policy's answers" },
  report: { words: "A report" },
};

/** README.md of an exported model: what it is, how it is loaded, and everything that it came from. Markdown with the hub's front matter. */
export function modelCard({ name, type, artifact, makings, decisions, versions, hasOnnx, dtype, base }: CardFacts): string {
  const [maker] = makings;
  const { task, words, loader } = tasks[type];
  const kinds = [...new Set(makings.flatMap(({ kind }) => kind === undefined ? [] : [kind]))];
  return [
    ...frontMatter(base === undefined ? "transformers" : "peft", task, [...kinds, ...(hasOnnx ? ["onnx"] : [])]),
    `# ${name}`, "",
    `${words}, made by Trueline${maker === undefined ? "" : ` in stage \`${maker.stage}\`${maker.kind === undefined ? "" : ` (${maker.kind})`} of run \`${maker.run}\`, finished ${maker.finishedAt.slice(0, 10)}`}. Weights are ${dtype}.`, "",
    ...base === undefined ? [] : [`These are the files of a low-rank adapter, without the model that it stands on: \`${base}\`.`, ""],
    ...maker === undefined || Object.keys(maker.figures).length === 0 ? [] : section("Figures", table(["figure", "value"], Object.entries(maker.figures).map(([name, value]) => [`\`${name}\``, String(Number(value.toPrecision(6)))]))),
    ...section("Use", loader === undefined ? [] : base === undefined ? usage(loader, hasOnnx) : adapterUsage(loader)),
    ...section("Lineage", lineage(makings)),
    ...section("Data", table(["file", "format", "SHA-256"], data(makings))),
    ...section("Decisions on the way", decisions.map((line) => `- ${cell(line)}`)),
    ...section("Settings", makings.flatMap(({ stage, parameters }) => parameters === undefined ? [] : [`\`${stage}\``, "", "```json", JSON.stringify(parameters, undefined, 2), "```", ""])),
    ...section("Origin", [
      `Artifact \`${artifact}\`. With the store that made it, \`trueline trace ${name}\` says the same as this page, and \`trueline verify ${maker?.run ?? "RUN"}\` checks every byte.`,
      ...table(["computed by", "version"], Object.entries(versions), [""]),
    ]),
  ].join("\n");
}

const frontMatter = (library: string, task: string | undefined, tags: readonly string[]): string[] => [
  "---", `library_name: ${library}`, ...(task === undefined ? [] : [`pipeline_tag: ${task}`]), "tags:", ...["trueline", ...tags].map((tag) => `- ${tag}`), "---", "",
];

function adapterUsage(loader: string): string[] {
  const labels = loader === "AutoModelForCausalLM" ? "" : ", num_labels=1";
  return [
    "```python", "from peft import PeftModel", `from transformers import ${loader}, AutoTokenizer`, "",
    "tokenizer = AutoTokenizer.from_pretrained(\".\")", `base = ${loader}.from_pretrained("BASE"${labels})`, "model = PeftModel.from_pretrained(base, \".\")", "```", "",
    "BASE is the model under the adapter, exported as a whole (`trueline export RUN STAGE BASE`, with `--merge` where it is an adapter itself).", "",
  ];
}

function usage(loader: string, hasOnnx: boolean): string[] {
  return [
    "```python", `from transformers import ${loader}, AutoTokenizer`, "",
    "tokenizer = AutoTokenizer.from_pretrained(\".\")", `model = ${loader}.from_pretrained(".")`, "```", "",
    ...hasOnnx ? [
      "In JavaScript, with transformers.js, and with onnxruntime-genai the same directory generates from `onnx/model.onnx` (float32):", "",
      "```js", "const generator = await pipeline(\"text-generation\", \"DIRECTORY\", { dtype: \"fp32\" });", "```", "",
    ] : [],
  ];
}

function lineage(makings: readonly CardStage[]): string[] {
  return table(["stage", "kind", "artifact", "seed", "from", "spec"], makings.map(({ run, stage, kind, artifact, seed, inputs, plan }) => [
    `${run}/${stage}`, kind ?? "", artifact.slice(0, 12), seed === undefined ? "" : String(seed),
    inputs.map(({ name, digest }) => `${fileName(name)} (${digest.slice(0, 12)})`).join(", "),
    plan === undefined ? "" : `${fileName(plan.specPath)} (${plan.specDigest.slice(0, 12)})`,
  ]));
}

/** Files and model directories that were read, each once. */
function data(makings: readonly CardStage[]): string[][] {
  const found = new Map(makings.flatMap(({ inputs }) => inputs.filter(({ from }) => from !== "stage").map((input) => [input.digest, input] as const)));
  return [...found.values()].map(({ name, format, digest, from }) => [fileName(name), format ?? from, `\`${digest}\``]);
}

const section = (title: string, lines: readonly string[]): string[] => lines.length === 0 ? [] : [`## ${title}`, "", ...lines, ""];

function table(head: readonly string[], rows: readonly (readonly string[])[], before: readonly string[] = []): string[] {
  if (rows.length === 0) return [];
  return [...before, ...[head, head.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`)];
}

/** Text in one cell or line: what Markdown reads as a border or a line's end is written otherwise. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ");

/** Paths are the maker's own affair. */
const fileName = (path: string): string => path.split("/").at(-1)!;
