import { describe, expect, it } from "vitest";
import { modelCard } from "../../reports/model-card.js";

const facts = { name: "run/rm", type: "reward-model", artifact: "a".repeat(64), makings: [], decisions: [], versions: {}, hasOnnx: false, dtype: "float32" } as const;

describe("the card of an adapter", () => {
  it("says what it stands on, and how PEFT loads it", () => {
    const card = modelCard({ ...facts, base: "b".repeat(64) });
    expect(card).toContain("library_name: peft");
    expect(card).toContain(`without the model that it stands on: \`${"b".repeat(64)}\``);
    expect(card).toContain("base = AutoModelForSequenceClassification.from_pretrained(\"BASE\", num_labels=1)\nmodel = PeftModel.from_pretrained(base, \".\")");
  });

  it("is not that of a whole model", () => {
    expect(modelCard(facts)).not.toMatch(/peft|adapter/i);
  });
});
