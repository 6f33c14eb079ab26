import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { z } from "zod";

const runs = z.array(z.object({ figures: z.record(z.string(), z.number()), metrics: z.array(z.object({ step: z.number(), "objective/scores": z.number() })) })).length(1);
const read = (name: string) => readFile(new URL(`../../docs/${name}`, import.meta.url), "utf8");

it("the page's figures of randomwalks are those of its run", async () => {
  const page = await read("rewards.md");
  const [run] = runs.parse(JSON.parse(await read("randomwalks.json")));
  const { figures, metrics } = run!;
  const scores = metrics.map((line) => line["objective/scores"]);
  const lastTen = scores.slice(-10).reduce((sum, score) => sum + score, 0) / 10;
  expect(page).toContain(`proxy reward ${figures["eval/proxy"]} against ${figures["eval/proxy_baseline"]!.toFixed(3)}`);
  expect(page).toContain(`what the fine-tuned model samples one of ${figures["eval/proxy_baseline"]!.toFixed(3)}`);
  expect(page).toContain(`After ${metrics.length} iterations`);
  expect(page).toContain(`the last ten iterations have one of ${lastTen.toFixed(3)}`);
  expect(page).toContain(`0.95 was reached at iteration ${scores.findIndex((score) => score >= 0.95) + 1}.`);
  expect(figures["eval/proxy"]).toBeGreaterThanOrEqual(0.95);
});
