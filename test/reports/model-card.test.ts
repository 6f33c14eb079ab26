import { describe, expect, it } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import { modelCard, type CardFacts, type CardStage } from "../../reports/model-card.js";

const file = { input: "data", from: "file", name: "/home/ada/secret/hh.jsonl", digest: sha256("hh"), format: "hh-rlhf" } as const;
const base: CardStage = {
  run: "one", stage: "base", kind: "pretrain", artifact: sha256("base"), finishedAt: "2026-01-02T03:04:05.678Z", seed: 0, parameters: { epochs: 2 }, figures: {},
  inputs: [file], plan: { specPath: "/home/ada/secret/spec.json", specDigest: sha256("spec") },
};
const sft: CardStage = {
  ...base, stage: "sft", kind: "sft", artifact: sha256("sft"), figures: { "loss/lm": 1.23456789 },
  inputs: [{ input: "model", from: "stage", name: "base", digest: base.artifact }, file, { input: "given", from: "directory", name: "/home/ada/secret/gpt2", digest: sha256("gpt2") }],
};
const facts: CardFacts = {
  name: "one/sft", type: "language-model", artifact: sft.artifact, makings: [sft, base], decisions: [], versions: { node: "22" }, hasOnnx: false, dtype: "float32",
};
const linesOf = (change: Partial<CardFacts> = {}) => modelCard({ ...facts, ...change }).split("\n");

describe("the card of an exported model", () => {
  it("says what made it, the nearest stage first, and with which figures", () => {
    const lines = linesOf();
    expect(lines).toContain("A language model, made by Trueline in stage `sft` (sft) of run `one`, finished 2026-01-02. Weights are float32.");
    expect(lines).toContain("| `loss/lm` | 1.23457 |");
    expect(lines.filter((line) => line.startsWith("| one/"))).toEqual([
      `| one/sft | sft | ${sft.artifact.slice(0, 12)} | 0 | base (${base.artifact.slice(0, 12)}), hh.jsonl (${file.digest.slice(0, 12)}), gpt2 (${sha256("gpt2").slice(0, 12)}) | spec.json (${sha256("spec").slice(0, 12)}) |`,
      `| one/base | pretrain | ${base.artifact.slice(0, 12)} | 0 | hh.jsonl (${file.digest.slice(0, 12)}) | spec.json (${sha256("spec").slice(0, 12)}) |`,
    ]);
  });

  it("lists each file and model directory once by its own name, and no folder", () => {
    const lines = linesOf();
    expect(lines.slice(lines.indexOf("## Data") + 4, lines.indexOf("## Data") + 6)).toEqual([`| hh.jsonl | hh-rlhf | \`${file.digest}\` |`, `| gpt2 | directory | \`${sha256("gpt2")}\` |`]);
    expect(lines.join("\n")).not.toContain("secret");
  });

  it("writes borders and line ends of given words so that they end no cell and no line", () => {
    const odd = { ...base, stage: "a|b", inputs: [{ ...file, name: "/x/a|b\n c.jsonl" }] };
    const lines = linesOf({ makings: [odd], decisions: ["ada approved it: good | \n# better"] });
    expect(lines).toContain("- ada approved it: good \\| # better");
    expect(lines.find((line) => line.startsWith("| one/"))).toContain("| one/a\\|b | pretrain |");
    expect(lines.filter((line) => line.includes("c.jsonl")).map((line) => line.split(/(?<!\\)\|/).length - 2)).toEqual([6, 3]);
  });

  it("tells the hub's task and loader of each type, and of ONNX where the file is", () => {
    const hub = (change: Partial<CardFacts>) => linesOf(change).filter((line) => /^(pipeline_tag|- onnx|model = |const generator)/.test(line));
    expect(hub({ type: "reward-model" })).toEqual(["pipeline_tag: text-classification", "model = AutoModelForSequenceClassification.from_pretrained(\".\")"]);
    expect(hub({ type: "value-model" })).toEqual(["pipeline_tag: token-classification", "model = AutoModelForTokenClassification.from_pretrained(\".\")"]);
    expect(hub({ type: "report", hasOnnx: false })).toEqual([]);
    expect(hub({ hasOnnx: true })).toEqual([
      "pipeline_tag: text-generation", "- onnx", "model = AutoModelForCausalLM.from_pretrained(\".\")", "const generator = await pipeline(\"text-generation\", \"DIRECTORY\", { dtype: \"fp32\" });",
    ]);
  });

  it("leaves out sections of which nothing is known", () => {
    expect(linesOf({ makings: [], type: "report", versions: {} }).filter((line) => line.startsWith("## "))).toEqual(["## Origin"]);
  });
});

describe("the card of an adapter", () => {
  const adapter = { makings: [], type: "reward-model" } as const;

  it("says what it stands on, and how PEFT loads it", () => {
    const card = modelCard({ ...facts, ...adapter, base: "b".repeat(64) });
    expect(card).toContain("library_name: peft");
    expect(card).toContain(`without the model that it stands on: \`${"b".repeat(64)}\``);
    expect(card).toContain("base = AutoModelForSequenceClassification.from_pretrained(\"BASE\", num_labels=1)\nmodel = PeftModel.from_pretrained(base, \".\")");
  });

  it("is not that of a whole model", () => {
    expect(modelCard({ ...facts, ...adapter })).not.toMatch(/peft|adapter/i);
  });
});
