import type { Message, QuestionRow } from "../data/types.js";
import { choiceLetters } from "../data/readers/multiple-choice.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { LanguageRow } from "./language-loss.js";
import { encodeAnswer } from "./pairs.js";

type Question = Pick<QuestionRow, "question" | "choices" | "answer">;

export interface ChoiceForm {
  readonly scoring: "letter" | "text";
  readonly form: "plain" | "chat";
}

/** A question as what is read before the answer, and what each choice's answer is. `space` stands between the two in running text. */
interface Posed {
  readonly asked: string;
  readonly answers: readonly string[];
  readonly space: string;
}

/** A question's choices as rows whose targets are the tokens of the choice, and how many examples fitted before it. */
export interface EncodedChoices {
  readonly rows: readonly LanguageRow[];
  readonly shots: number;
}

/**
 * Encodes each choice after the question and as many of the first examples as the context holds; undefined where the question alone
 * is longer.
 */
export function encodeChoices(question: Question, shots: readonly Question[], form: ChoiceForm, tokenizer: Tokenizer, context: number): EncodedChoices | undefined {
  for (let count = shots.length; count >= 0; count--) {
    const rows = rowsOf(question, shots.slice(0, count), form, tokenizer);
    if (rows.every(({ tokens }) => tokens.length <= context)) return { rows, shots: count };
  }
  return undefined;
}

function rowsOf(question: Question, shots: readonly Question[], { form, scoring }: ChoiceForm, tokenizer: Tokenizer): LanguageRow[] {
  const posed = pose(question, scoring, form);
  const examples = shots.map((shot) => ({ ...pose(shot, scoring, form), answer: shot.answer }));
  if (form === "chat") {
    const before = examples.flatMap(({ asked, answers, answer }): Message[] => [{ role: "user", content: asked }, { role: "assistant", content: answers[answer]! }]);
    return posed.answers.map((answer) => withoutEnd(encodeAnswer(tokenizer, [...before, { role: "user", content: posed.asked }], answer), tokenizer));
  }
  const before = [...examples.map(({ asked, answers, answer, space }) => `${asked}${space}${answers[answer]!}`), posed.asked].join("\n\n");
  return posed.answers.map((answer) => continued(tokenizer, before, posed.space + answer));
}

/** In the question's own language, as far as its script tells. */
function pose({ question, choices }: Question, scoring: ChoiceForm["scoring"], form: ChoiceForm["form"]): Posed {
  const isChinese = /\p{Script=Han}/u.test(question);
  const space = isChinese ? "" : " ";
  if (scoring === "text") {
    const asked = form === "chat" ? question : isChinese ? `问：${question}\n答：` : `Q: ${question}\nA:`;
    return { asked, answers: choices, space };
  }
  const listed = [question, ...choices.map((choice, index) => `${choiceLetters[index]!}. ${choice}`), isChinese ? "答案：" : "Answer:"].join("\n");
  return { asked: listed, answers: choiceLetters.slice(0, choices.length), space };
}

/** Text and what follows it, encoded as one; what the text alone does not have counts as what follows. */
function continued(tokenizer: Tokenizer, text: string, more: string): LanguageRow {
  const begin = tokenizer.beginToken === undefined ? [] : [tokenizer.beginToken];
  const tokens = Int32Array.from([...begin, ...tokenizer.encode(text + more)]);
  const start = Math.max(1, Math.min(begin.length + tokenizer.encode(text).length, tokens.length - 1));
  return { tokens, targets: Int32Array.from({ length: tokens.length - start }, (_, index) => start + index) };
}

/** All choices would have the same end; whether the model would stop there is not asked. */
function withoutEnd({ tokens, targets }: LanguageRow, tokenizer: Tokenizer): LanguageRow {
  const last = tokens[targets.at(-1)!];
  return last !== undefined && targets.length > 1 && tokenizer.endTokens.includes(last) ? { tokens, targets: targets.subarray(0, -1) } : { tokens, targets };
}
