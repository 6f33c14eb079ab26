import { randomAt } from "../../foundation/random.js";
import { factSentence, questionsAbout } from "./grammar.js";
import { attributes, falsehoods, languages, objects, sampleSeed, truth, type Attribute, type Language, type ObjectName } from "./world.js";

/** Objects of each subject whose questions are the examples. */
const examples = 5;
const letters = ["A", "B", "C", "D"] as const;
const columns = ["id", "question", ...letters, "answer", "explanation", "tags"] as const;
type Cells = Readonly<Record<(typeof columns)[number], string>>;

/**
 * Questions about the world's facts in C-Eval's columns and folders, a file a subject: an attribute in a language. `dev` has the
 * examples, `val` the questions about all other objects. They ask what pretraining has told, without a greeting and without
 * wanting an answer that pleases: what alignment takes away from knowledge shows there.
 */
export function multipleChoiceFiles(): [name: string, text: string][] {
  return languages.flatMap((language) => attributes.flatMap((attribute): [string, string][] => {
    const order = randomAt(sampleSeed, "multiple choice", language, attribute).shuffled(objects);
    const file = (split: string, some: readonly ObjectName[]): [string, string] =>
      [`multiple-choice/${split}/${language}-${attribute}_${split}.csv`, csv(some.map((object, id) => question(language, attribute, object, id)))];
    return [file("dev", order.slice(0, examples)), file("val", order.slice(examples))];
  }));
}

function question(language: Language, attribute: Attribute, object: ObjectName, id: number): Cells {
  const random = randomAt(sampleSeed, "choices", language, attribute, object);
  const right = truth(object, attribute);
  const facts = random.shuffled([right, ...random.shuffled(falsehoods(object, attribute)).slice(0, letters.length - 1)]);
  const [A, B, C, D] = facts.map((fact) => factSentence(language, fact));
  return {
    id: String(id), question: random.pick(questionsAbout(language, object, attribute)), A: A!, B: B!, C: C!, D: D!,
    answer: letters[facts.indexOf(right)]!, explanation: "", tags: JSON.stringify({ language }),
  };
}

function csv(rows: readonly Cells[]): string {
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text);
  return [columns.join(","), ...rows.map((row) => columns.map((column) => cell(row[column])).join(","))].map((line) => `${line}\n`).join("");
}
