import { randomAt, type Random } from "../../foundation/random.js";
import { drawAnswer } from "./answers.js";
import { multipleChoiceFiles } from "./multiple-choice.js";
import { factSentence, phrases, samplePrompts, type SamplePrompt } from "./grammar.js";
import { preferred } from "./labeller.js";
import { attributes, languages, objects, sampleSeed, truth, type Language, type ObjectName } from "./world.js";

/** Rows of each kind. With 0.15 held out, about 4,500 fact documents, 4,000 forum threads, 3,500 dialogues and 4,000 pairs train. */
const sizes = { facts: 5300, forum: 4700, dialogues: 4120, pairs: 4700 } as const;

/** How a question and its answer look on a forum. */
const forumThread: Readonly<Record<Language, (question: string, answer: string) => string>> = {
  en: (question, answer) => `Q: ${question}\nA: ${answer}`,
  zh: (question, answer) => `问：${question}\n答：${answer}`,
};

/** The text of the sample task's files by name, the same each time; a name in .gz is stored compressed. */
export function sampleFiles(): ReadonlyMap<string, string> {
  const documents = randomAt(sampleSeed, "documents").shuffled([...factDocuments(), ...forumDocuments()]);
  return new Map([
    ["documents.jsonl.gz", lines(documents)],
    ["dialogues.jsonl", lines(dialogues())],
    ["preferences.jsonl", lines(preferences())],
    ...multipleChoiceFiles(),
    ["prompts.jsonl", lines(samplePrompts.map(promptRow))],
    ["prompts-en.jsonl", lines(samplePrompts.filter(({ language }) => language === "en").map(promptRow))],
  ]);
}

function lines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** Facts only, all true: an object's own, or two objects' in turn. They belong to no combination that is held out. */
function factDocuments(): object[] {
  return Array.from({ length: sizes.facts }, (_, index) => {
    const random = randomAt(sampleSeed, "facts", index);
    const language = random.pick(languages);
    const facts = random.uniform() < 0.6
      ? about(random.pick(objects), 3 + random.integer(2), random)
      : random.shuffled(objects).slice(0, 2).flatMap((object) => about(object, 2, random));
    return { text: facts.map((fact) => factSentence(language, fact)).join(phrases[language].space) };
  });
}

function about(object: ObjectName, count: number, random: Random) {
  return random.shuffled(attributes).slice(0, count).map((attribute) => truth(object, attribute));
}

/** Questions with answers of the mixture: the form of a dialogue, before any tuning, but not its quality. */
function forumDocuments(): object[] {
  return drawPrompts("forum", sizes.forum).map(({ prompt, random }) => ({
    text: forumThread[prompt.language](prompt.text, drawAnswer(prompt, random)),
    group: prompt.group,
  }));
}

function dialogues(): object[] {
  return drawPrompts("dialogues", sizes.dialogues).map(({ prompt, random }) => ({
    prompt: prompt.text, response: drawAnswer(prompt, random), ...labels(prompt),
  }));
}

function preferences(): object[] {
  return drawPrompts("pairs", sizes.pairs).map(({ prompt, random }) => {
    const first = drawAnswer(prompt, random);
    let second = drawAnswer(prompt, random);
    while (second === first) second = drawAnswer(prompt, random);
    return { prompt: prompt.text, ...preferred(prompt, first, second, random), ...labels(prompt) };
  });
}

function promptRow(prompt: SamplePrompt): object {
  return { prompt: prompt.text, ...labels(prompt) };
}

function labels({ group, language, part }: SamplePrompt) {
  return { group, tags: { language, part } };
}

/** Prompts in random order, each once before any comes again, with the generator that each row draws from. */
function drawPrompts(purpose: string, count: number): { prompt: SamplePrompt; random: Random }[] {
  const rounds = Array.from({ length: Math.ceil(count / samplePrompts.length) }, (_, round) => randomAt(sampleSeed, purpose, "order", round).shuffled(samplePrompts));
  return rounds.flat().slice(0, count).map((prompt, index) => ({ prompt, random: randomAt(sampleSeed, purpose, index) }));
}
