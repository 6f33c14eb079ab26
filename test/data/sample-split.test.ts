import { beforeAll, describe, expect, it } from "vitest";
import { resolveDataPath } from "../../data/paths.js";
import { attributes, languages, objects, truth } from "../../data/sample/world.js";
import { factSentence, parsePrompt } from "../../data/sample/grammar.js";
import type { DataFormat } from "../../schemas/spec.js";
import { readDataset, type HeldDataset } from "./read.js";

const entries = [
  ["documents", "text", "sample/documents.jsonl.gz"],
  ["dialogues", "dialogue", "sample/dialogues.jsonl"],
  ["preferences", "preference", "sample/preferences.jsonl"],
  ["prompts", "prompt", "sample/prompts.jsonl"],
] as const satisfies (readonly [string, DataFormat, string])[];

const read = new Map<string, HeldDataset>();
beforeAll(async () => {
  for (const [name, format, path] of entries) {
    const real = await resolveDataPath(path, { specDirectory: "/", allowPaths: [] });
    read.set(name, await readDataset({ name, format, path: real, holdout: 0.15, maxBadShare: 0 }));
  }
});

const data = (name: (typeof entries)[number][0]) => read.get(name)!;
const question = (messages: readonly { content: string }[]) => parsePrompt(messages[0]!.content)!.group;

describe("the sample task with 0.15 held out", () => {
  it("trains on about as many rows as its recipe asks for", () => {
    const trained = Object.fromEntries([...read].map(([name, { counts }]) => [name, counts[name]!["train"]!]));
    const wanted = { documents: 8500, dialogues: 3500, preferences: 4000, prompts: 3920 };
    for (const [name, rows] of Object.entries(wanted)) expect(Math.abs(trained[name]! / rows - 1), name).toBeLessThan(0.02);
  });

  it("trains on no combination that another file holds out, forum text included", () => {
    const heldOut = new Set(data("prompts").prompts.heldOut.map(({ messages }) => question(messages)));
    const trained = [
      ...data("prompts").prompts.train.map(({ messages }) => question(messages)),
      ...data("dialogues").dialogues.train.map(({ messages }) => question(messages)),
      ...data("preferences").pairs.train.map(({ prompt }) => question(prompt)),
      ...data("documents").text.train.flatMap(({ text }) => {
        const asked = /^(?:Q: |问：)(.*)\n/.exec(text)?.[1];
        return asked === undefined ? [] : [parsePrompt(asked)!.group];
      }),
    ];
    expect(heldOut.size).toBeGreaterThan(300);
    expect(trained.length).toBeGreaterThan(15_000);
    expect(trained.filter((group) => heldOut.has(group))).toEqual([]);
  });

  it("still trains on every fact in both languages", () => {
    const text = data("documents").text.train.map((row) => row.text).filter((row) => !row.includes("\n")).join(" ");
    const facts = languages.flatMap((language) => objects.flatMap((object) => attributes.map((attribute) => factSentence(language, truth(object, attribute)))));
    expect(facts.filter((fact) => !text.includes(fact))).toEqual([]);
  });

  it("says of each prompt which language and part it is of", () => {
    const kinds = new Set(data("prompts").prompts.heldOut.map(({ tags }) => `${tags["language"]} ${tags["part"]}`));
    expect([...kinds].sort()).toEqual(["en harmful", "en helpful", "zh harmful", "zh helpful"]);
  });
});
