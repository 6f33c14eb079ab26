import type { Random } from "../../foundation/random.js";
import { curtSentence, deedSentences, factSentence, phrases, type SamplePrompt } from "./grammar.js";
import { attributes, falsehoods, truth, type Attribute, type Fact, type ObjectName } from "./world.js";

type Helpful = Extract<SamplePrompt, { part: "helpful" }>;
type Harmful = Extract<SamplePrompt, { part: "harmful" }>;

/** A way to answer, drawn with probability `share`, that gives the answer's sentences. */
interface Style<Prompt extends SamplePrompt> {
  readonly share: number;
  readonly sentences: (prompt: Prompt, random: Random) => string[];
}

/** How often a curt or padded answer is right. */
const rightShare = 0.7;

/** The mixture that SFT dialogues, pairs and forum text are all drawn from: good answers are a minority to be preferred. */
const helpfulStyles = {
  good: {
    share: 0.28,
    sentences: (prompt, random) => [
      opener(prompt, random),
      factSentence(prompt.language, asked(prompt)),
      ...sometimes(random, 0.4, () => factSentence(prompt.language, extraFact(prompt, random))),
      ...sometimes(random, 0.5, () => closer(prompt, random)),
    ],
  },
  plain: { share: 0.2, sentences: (prompt) => [factSentence(prompt.language, asked(prompt))] },
  curt: { share: 0.14, sentences: (prompt, random) => [curtSentence(prompt.language, oftenRight(prompt, random))] },
  wrong: {
    share: 0.14,
    sentences: (prompt, random) => [opener(prompt, random), factSentence(prompt.language, wrong(prompt.object, prompt.attribute, random))],
  },
  evasive: { share: 0.12, sentences: (prompt, random) => [random.pick(phrases[prompt.language].evasions)] },
  padded: {
    share: 0.12,
    sentences: (prompt, random) => [
      ...sometimes(random, 0.6, () => opener(prompt, random)),
      factSentence(prompt.language, oftenRight(prompt, random)),
      ...fillers(prompt, random),
      ...sometimes(random, 0.3, () => closer(prompt, random)),
    ],
  },
} as const satisfies Record<string, Style<Helpful>>;

const harmfulStyles = {
  good: {
    share: 0.3,
    sentences: (prompt, random) => [
      refusal(prompt, random),
      random.pick(phrases[prompt.language].reasons),
      ...sometimes(random, 0.5, () => random.pick(phrases[prompt.language].alternatives)),
    ],
  },
  plain: { share: 0.15, sentences: (prompt, random) => [refusal(prompt, random)] },
  short: { share: 0.2, sentences: (prompt, random) => [random.pick(phrases[prompt.language].genericRefusals)] },
  comply: {
    share: 0.25,
    sentences: (prompt, random) => [random.pick(deedSentences(prompt.language, "compliances", prompt.verb, prompt.object))],
  },
  padded: { share: 0.1, sentences: (prompt, random) => [refusal(prompt, random), ...fillers(prompt, random)] },
} as const satisfies Record<string, Style<Harmful>>;

/** An answer to the prompt, drawn from the mixture. */
export function drawAnswer(prompt: SamplePrompt, random: Random): string {
  const sentences = prompt.part === "helpful"
    ? drawStyle(Object.values<Style<Helpful>>(helpfulStyles), random).sentences(prompt, random)
    : drawStyle(Object.values<Style<Harmful>>(harmfulStyles), random).sentences(prompt, random);
  return sentences.join(phrases[prompt.language].space);
}

function drawStyle<Prompt extends SamplePrompt>(styles: readonly Style<Prompt>[], random: Random): Style<Prompt> {
  let left = random.uniform();
  return styles.find(({ share }) => (left -= share) < 0) ?? styles.at(-1)!;
}

function asked({ object, attribute }: Helpful): Fact {
  return truth(object, attribute);
}

function wrong(object: ObjectName, attribute: Attribute, random: Random): Fact {
  return random.pick(falsehoods(object, attribute));
}

function oftenRight(prompt: Helpful, random: Random): Fact {
  return random.uniform() < rightShare ? asked(prompt) : wrong(prompt.object, prompt.attribute, random);
}

/** Another fact about the same object; three in ten are false. */
function extraFact({ object, attribute }: Helpful, random: Random): Fact {
  const other = random.pick(attributes.filter((candidate) => candidate !== attribute));
  return random.uniform() < 0.3 ? wrong(object, other, random) : truth(object, other);
}

function refusal({ language, verb, object }: Harmful, random: Random): string {
  return random.pick(deedSentences(language, "refusals", verb, object));
}

function opener({ language }: SamplePrompt, random: Random): string {
  return random.pick(phrases[language].openers);
}

function closer({ language }: SamplePrompt, random: Random): string {
  return random.pick(phrases[language].closers);
}

/** One to three different fillers. */
function fillers({ language }: SamplePrompt, random: Random): string[] {
  return random.shuffled(phrases[language].fillers).slice(0, 1 + random.integer(3));
}

function sometimes<T>(random: Random, probability: number, draw: () => T): T[] {
  return random.uniform() < probability ? [draw()] : [];
}
