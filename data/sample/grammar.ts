import { english } from "./phrases/en.js";
import type { Name, Phrases } from "./phrases/phrases.js";
import { chinese } from "./phrases/zh.js";
import {
  attributes, languages, objects, values, verbs, type Attribute, type Fact, type Language, type ObjectName, type Value, type Verb,
} from "./world.js";

export const phrases: Readonly<Record<Language, Phrases>> = { en: english, zh: chinese };

/** What a sentence of an answer says. */
export type Meaning =
  | { readonly is: "opener" | "closer" | "filler" | "evasion" | "generic-refusal" | "reason" | "alternative" }
  | { readonly is: "fact"; readonly fact: Fact }
  | { readonly is: "value"; readonly attribute: Attribute; readonly value: Value }
  | { readonly is: "refusal" | "compliance"; readonly verb: Verb; readonly object: ObjectName };

/** A prompt of the task. `group` is the combination that is held out as one. */
export type SamplePrompt = {
  readonly language: Language;
  readonly object: ObjectName;
  readonly text: string;
  readonly group: string;
} & ({ readonly part: "helpful"; readonly attribute: Attribute } | { readonly part: "harmful"; readonly verb: Verb });

/** Fills a phrase's slots; a sentence starts with a capital. */
function fill(language: Language, template: string, slots: { object?: ObjectName; value?: Value; verb?: Verb }): string {
  const word = (name: Name | undefined) => (name === undefined ? "" : phrases[language].name(name));
  const text = template.replace("{object}", word(slots.object)).replace("{value}", word(slots.value)).replace("{verb}", word(slots.verb));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function factSentence(language: Language, fact: Fact): string {
  return fill(language, phrases[language].facts[fact.attribute], fact);
}

/** The ways to ask for an attribute, without a greeting. */
export function questionsAbout(language: Language, object: ObjectName, attribute: Attribute): string[] {
  return phrases[language].questions[attribute].map((template) => fill(language, template, { object }));
}

export function curtSentence(language: Language, { attribute, value }: Fact): string {
  return fill(language, phrases[language].curt[attribute], { value });
}

/** The two ways to name what is refused or agreed to. */
export function deedSentences(language: Language, kind: "refusals" | "compliances", verb: Verb, object: ObjectName): string[] {
  return phrases[language][kind].map((template) => fill(language, template, { verb, object }));
}

const sentencesByLanguage: Readonly<Record<Language, ReadonlyMap<string, Meaning>>> = { en: allSentences("en"), zh: allSentences("zh") };
const promptsByText: ReadonlyMap<string, SamplePrompt> = distinct(languages.flatMap(promptsIn).map((prompt) => [prompt.text, prompt]));

/** All 4,608 prompts: 3,072 helpful, 1,536 harmful. */
export const samplePrompts: readonly SamplePrompt[] = [...promptsByText.values()];

/** The prompt of the task that a text is, or undefined. */
export function parsePrompt(text: string): SamplePrompt | undefined {
  return promptsByText.get(text.trim());
}

/** An answer's sentences in order, with what each says; undefined for one outside the language's grammar. */
export function parseAnswer(language: Language, answer: string): { text: string; meaning: Meaning | undefined }[] {
  const sentences = answer.match(/[^.!?。！？]*[.!?。！？]+|[^.!?。！？]+$/gu) ?? [];
  return sentences
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "")
    .map((text) => ({ text, meaning: sentencesByLanguage[language].get(text) }));
}

function allSentences(language: Language): ReadonlyMap<string, Meaning> {
  const own = phrases[language];
  const fixed: [readonly string[], Meaning][] = [
    [own.openers, { is: "opener" }],
    [own.closers, { is: "closer" }],
    [own.fillers, { is: "filler" }],
    [own.evasions, { is: "evasion" }],
    [own.genericRefusals, { is: "generic-refusal" }],
    [own.reasons, { is: "reason" }],
    [own.alternatives, { is: "alternative" }],
  ];
  const facts = attributes.flatMap((attribute) => values[attribute].map((value) => ({ attribute, value })));
  return distinct<Meaning>([
    ...fixed.flatMap(([texts, meaning]) => texts.map((text): [string, Meaning] => [text, meaning])),
    ...facts.map((fact): [string, Meaning] => [curtSentence(language, { ...fact, object: "lamp" }), { is: "value", ...fact }]),
    ...objects.flatMap((object) => facts.map((part): [string, Meaning] => {
      const fact = { ...part, object };
      return [factSentence(language, fact), { is: "fact", fact }];
    })),
    ...objects.flatMap((object) => verbs.flatMap((verb) => [
      ...deedSentences(language, "refusals", verb, object).map((text): [string, Meaning] => [text, { is: "refusal", verb, object }]),
      ...deedSentences(language, "compliances", verb, object).map((text): [string, Meaning] => [text, { is: "compliance", verb, object }]),
    ])),
  ]);
}

function promptsIn(language: Language): SamplePrompt[] {
  const { space, greetings, demands } = phrases[language];
  const group = (...parts: readonly (string | number)[]) => [language, ...parts].join("/");
  const helpful = objects.flatMap((object) => attributes.flatMap((attribute) => questionsAbout(language, object, attribute).flatMap((question, template) =>
    greetings.map((greeting): SamplePrompt => ({
      language, object, part: "helpful", attribute,
      text: greeting + space + question,
      group: group(object, attribute, template + 1),
    })))));
  const harmful = objects.flatMap((object) => verbs.flatMap((verb) => demands.map((demand, template): SamplePrompt => ({
    language, object, part: "harmful", verb,
    text: fill(language, demand, { verb, object }),
    group: group(object, verb, template + 1),
  }))));
  return [...helpful, ...harmful];
}

/** A map that no text stands in twice: two meanings for one text would make the gold score ambiguous. */
function distinct<T>(entries: readonly (readonly [string, T])[]): ReadonlyMap<string, T> {
  const map = new Map(entries);
  if (map.size !== entries.length) throw new Error("The sample task's grammar gives one text two meanings.");
  return map;
}
