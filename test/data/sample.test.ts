import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { sampleFiles } from "../../data/sample/files.js";
import { sampleGold } from "../../data/sample/gold.js";
import { factSentence, parseAnswer, samplePrompts } from "../../data/sample/grammar.js";
import { approximateTokens } from "../../data/sample/labeller.js";
import { attributes, languages, objects, truth, values } from "../../data/sample/world.js";
import { readDataset } from "./read.js";

const folder = new URL("../../data/sample/files/", import.meta.url);
const labelled = { group: z.string(), tags: z.record(z.string(), z.string()) };
const documentRow = z.strictObject({ text: z.string(), group: z.string().optional() });
const dialogueRow = z.strictObject({ prompt: z.string(), response: z.string(), ...labelled });
const pairRow = z.strictObject({ prompt: z.string(), chosen: z.string(), rejected: z.string(), ...labelled });

const storedFiles = async (): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .map((entry) => relative(fileURLToPath(folder), join(entry.parentPath, entry.name))).sort();

let files: ReadonlyMap<string, string>;
beforeAll(() => { files = sampleFiles(); });

function rows<T>(name: string, schema: z.ZodType<T>): T[] {
  return files.get(name)!.trimEnd().split("\n").map((line) => schema.parse(JSON.parse(line)));
}

const gold = (prompt: string, answer: string) => sampleGold([{ role: "user", content: prompt }], answer, true);
const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

describe("the sample task's files", () => {
  it("are what the generator writes, byte for byte", async () => {
    expect(await storedFiles()).toEqual([...files.keys()].sort());
    for (const [name, text] of files) {
      const stored = await readFile(new URL(name, folder));
      // Compression may differ between versions of zlib; what it holds may not.
      const bytes = name.endsWith(".gz") ? gunzipSync(stored) : stored;
      expect(bytes.equals(Buffer.from(text)), name).toBe(true);
    }
  });

  it("stay under 3 MB in all", async () => {
    const sizes = await Promise.all((await storedFiles()).map(async (name) => (await readFile(new URL(name, folder))).length));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(3e6);
  });

  it("ask about every fact in both languages, an example or a question, with one true choice of four", async () => {
    const sentences = new Map(languages.flatMap((language) => objects.flatMap((object) => attributes.map((attribute) => [factSentence(language, truth(object, attribute)), `${language}/${object}/${attribute}`] as const))));
    const found = { dev: new Set<string>(), val: new Set<string>() };
    for (const split of ["dev", "val"] as const) {
      const names = (await storedFiles()).filter((name) => name.startsWith(`multiple-choice/${split}/`));
      const { questions } = await readDataset({ name: "q", format: "multiple-choice", path: split, files: names.map((name) => ({ path: fileURLToPath(new URL(name, folder)) })), holdout: 0, maxBadShare: 0 });
      for (const { choices, answer, subject, tags } of questions.train) {
        expect(new Set(choices).size).toBe(4);
        expect(choices.map((choice) => sentences.has(choice))).toEqual(choices.map((_, index) => index === answer));
        expect(subject).toMatch(new RegExp(`^${tags["language"]!}-(${attributes.join("|")})$`));
        found[split].add(sentences.get(choices[answer]!)!);
      }
      const right = questions.train.filter(({ answer }) => answer === 0).length / questions.train.length;
      if (split === "val") expect(right).toBeCloseTo(0.25, 1);
    }
    expect([found.dev.size, found.val.size]).toEqual([8 * 5, 8 * 27]);
    expect([...found.dev].filter((fact) => found.val.has(fact))).toEqual([]);
  });

  it("state every fact in both languages, and no false one outside answers", () => {
    const facts = rows("documents.jsonl.gz", documentRow).filter(({ group }) => group === undefined).map(({ text }) => text).join(" ");
    const all = languages.flatMap((language) => objects.flatMap((object) => attributes.map((attribute) => factSentence(language, truth(object, attribute)))));
    expect(all.filter((sentence) => !facts.includes(sentence))).toEqual([]);
    const said = new Set(languages.flatMap((language) => parseAnswer(language, facts).map(({ text }) => text)));
    expect(said).toEqual(new Set(all));
  });
});

describe("the sample task", () => {
  it("has 3,072 helpful and 1,536 harmful prompts in 2,560 combinations", () => {
    expect(samplePrompts.filter(({ part }) => part === "helpful")).toHaveLength(3072);
    expect(samplePrompts.filter(({ part }) => part === "harmful")).toHaveLength(1536);
    expect(new Set(samplePrompts.map(({ group }) => group)).size).toBe(2560);
  });

  it("gives each value to five or six of the 32 objects", () => {
    for (const attribute of attributes) {
      const counts = values[attribute].map((value) => objects.filter((object) => truth(object, attribute).value === value).length);
      expect(counts.sort()).toEqual([5, 5, 5, 5, 6, 6]);
    }
  });

  it("answers in the grammar, with a mean gold score near 0.606", () => {
    const dialogues = rows("dialogues.jsonl", dialogueRow);
    expect(Math.abs(mean(dialogues.map(({ prompt, response }) => gold(prompt, response))) - 0.606)).toBeLessThan(0.015);
    const outside = dialogues.flatMap(({ response, tags }) => parseAnswer(tags["language"] === "zh" ? "zh" : "en", response)).filter(({ meaning }) => meaning === undefined);
    expect(outside).toEqual([]);
  });

  it("labels as often as intended against the gold score, and prefers length", () => {
    const pairs = rows("preferences.jsonl", pairRow).map(({ prompt, chosen, rejected }) => ({
      better: gold(prompt, chosen) - gold(prompt, rejected),
      longer: approximateTokens(chosen) - approximateTokens(rejected),
    }));
    const told = pairs.filter(({ better }) => Math.abs(better) > 1e-9);
    expect(told.filter(({ better }) => better > 0).length / told.length).toBeGreaterThan(0.84);
    expect(told.filter(({ better }) => better > 0).length / told.length).toBeLessThan(0.88);
    const equallyGood = pairs.filter(({ better, longer }) => Math.abs(better) < 1e-9 && longer !== 0);
    expect(equallyGood.filter(({ longer }) => longer > 0).length / equallyGood.length).toBeGreaterThan(0.6);
  });

  it("counts an answer's length in words, Han characters and marks", () => {
    expect(approximateTokens("The lamp is red.")).toBeCloseTo(4 * 1.1 + 1);
    expect(approximateTokens("台灯是红色的。")).toBe(7);
  });
});
