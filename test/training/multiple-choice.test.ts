import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { QuestionRow } from "../../data/types.js";
import { answeredQuestionSchema, choiceReportSchema } from "../../schemas/choice-report.js";
import { choiceFigureNames } from "../../schemas/metrics.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { encodeChoices, type ChoiceForm } from "../../training/choice-prompts.js";
import { buildChoiceReport, chosenOf } from "../../training/choice-report.js";
import { wilson } from "../../training/intervals.js";
import { createMultipleChoice } from "../../training/multiple-choice.js";
import { referenceBackend, runInterrupted, runToEnd, stageData, tinyModel, type Start } from "./support.js";

const question = (text: string, choices: readonly string[], answer: number, subject = "s", tags: Record<string, string> = {}): QuestionRow =>
  ({ question: text, choices, answer, subject, tags, source: { file: "q.csv", line: 1 } });

const letters: ChoiceForm = { scoring: "letter", form: "plain" };
const texts: ChoiceForm = { scoring: "text", form: "plain" };

describe("a question", () => {
  const asked = question("Why?", ["yes", "no"], 1);
  const shot = question("How?", ["so", "thus", "hence"], 2);
  const shown = async (form: ChoiceForm, row = asked, shots = [shot]) => {
    const { tokenizer } = await tinyModel(1);
    const { rows } = encodeChoices(row, shots, form, tokenizer, 500)!;
    return rows.map(({ tokens, targets }) => [tokenizer.decode(tokens), tokenizer.decode(targets.length === 0 ? [] : [...targets].map((index) => tokens[index]!))]);
  };

  it("lists its choices after examples with their letters, and asks for each letter", async () => {
    const before = "How?\nA. so\nB. thus\nC. hence\nAnswer: C\n\nWhy?\nA. yes\nB. no\nAnswer:";
    expect(await shown(letters)).toEqual([[`${before} A`, " A"], [`${before} B`, " B"]]);
  });

  it("or stands alone, and asks for the text of each choice", async () => {
    const before = "Q: How?\nA: hence\n\nQ: Why?\nA:";
    expect(await shown(texts)).toEqual([[`${before} yes`, " yes"], [`${before} no`, " no"]]);
  });

  it("is asked in Chinese where it is Chinese", async () => {
    const chinese = question("为什么？", ["是", "否"], 0);
    expect(await shown(texts, chinese, [])).toEqual([["问：为什么？\n答：是", "是"], ["问：为什么？\n答：否", "否"]]);
    expect((await shown(letters, chinese, []))[1]).toEqual(["为什么？\nA. 是\nB. 否\n答案：B", "B"]);
  });

  it("is a turn of the chat template where that is asked for, and the answer's end is not", async () => {
    const { tokenizer } = await tinyModel(1);
    const { rows: [row] } = encodeChoices(asked, [shot], { scoring: "text", form: "chat" }, tokenizer, 500)!;
    const prompt = tokenizer.encodePrompt([{ role: "user", content: "How?" }, { role: "assistant", content: "hence" }, { role: "user", content: "Why?" }]);
    expect([...row!.tokens.subarray(0, prompt.length)]).toEqual([...prompt]);
    expect(tokenizer.decode([...row!.targets].map((index) => row!.tokens[index]!))).toBe("yes");
  });

  it("has as many of the first examples as fit, and is left out where it is too long alone", async () => {
    const { tokenizer } = await tinyModel(1);
    const shots = ["one", "two", "three"].map((text) => question(text, ["a", "b"], 0));
    const length = (count: number) => encodeChoices(asked, shots.slice(0, count), texts, tokenizer, 500)!.rows[0]!.tokens.length;
    expect(encodeChoices(asked, shots, texts, tokenizer, length(2))).toMatchObject({ shots: 2 });
    expect(encodeChoices(asked, shots, texts, tokenizer, length(2))!.rows[0]!.tokens).toEqual(encodeChoices(asked, shots.slice(0, 2), texts, tokenizer, 500)!.rows[0]!.tokens);
    expect(encodeChoices(asked, shots, texts, tokenizer, length(0) - 1)).toBeUndefined();
  });
});

describe("the report", () => {
  const answered = (subject: string, language: string, logProbabilities: readonly number[], answer: number, shots = 5) =>
    answeredQuestionSchema.parse({ question: "q", choices: ["long choice", "short", "数", "d"], answer, subject, tags: { language }, shots, logProbabilities });
  const all = [answered("a", "en", [-1, -2, -3, -4], 0), answered("a", "en", [-5, -4, -0.9, -1], 3), answered("b", "zh", [-4, -3.5, -9, -9], 0), answered("b", "zh", [-9, -9, -9, -0.5], 3, 1)];

  it("has the share of right choices, of all, by tag and by subject, with Wilson's intervals", () => {
    const report = buildChoiceReport(all, 2, { scoring: "letter", form: "plain", fewShot: 5 });
    expect(report.overall).toEqual({ questions: 4, accuracy: wilson(2, 4), chance: 0.25 });
    expect(report.groups.map(({ tags, accuracy }) => [tags, accuracy])).toEqual([[{ language: "en" }, wilson(1, 2)], [{ language: "zh" }, wilson(1, 2)]]);
    expect(report.subjects.map(({ subject, questions }) => [subject, questions])).toEqual([["a", 2], ["b", 2]]);
    expect([report.fewerShots, report.tooLong]).toEqual([1, 2]);
    expect(choiceReportSchema.parse(report)).toEqual(report);
  });

  it("chooses by likelihood a character too where choices are scored by their text", () => {
    expect(all.map((each) => chosenOf(each, false))).toEqual([0, 2, 1, 3]);
    expect(all.map((each) => chosenOf(each, true))).toEqual([0, 0, 0, 3]);
    expect(chosenOf(answered("a", "en", [-2, -1, -1, -3], 0), false), "the first of equals").toBe(1);
    expect(buildChoiceReport(all, 0, { scoring: "text", form: "plain", fewShot: 5 }).overall.normalizedAccuracy).toEqual(wilson(3, 4));
  });
});

describe("the stage", () => {
  const questions = ["ab", "cd", "ef", "gh", "ij"].map((text, index) => question(text, ["x", "yy", "z"], index % 3, index < 2 ? "one" : "two", { language: index < 3 ? "en" : "zh" }));
  const shots = [question("s", ["u", "v"], 1, "one"), question("t", ["u", "v"], 0, "two"), question("u", ["u", "v"], 0, "two")];
  const start = async (parameters: Readonly<Record<string, unknown>> = {}, rows = questions): Promise<Start> => {
    const model = await tinyModel(1);
    return (attempt) => createMultipleChoice({
      ...attempt, seed: 3, artifacts: { model },
      data: { questions: stageData({ questions: { train: rows.slice(0, 4), heldOut: rows.slice(4) } }), shots: stageData({ questions: { train: shots, heldOut: [] } }) },
      parameters: stageKinds["multiple-choice"].parameters.parse({ kind: "multiple-choice", model: "m", questions: "q", shots: "s", scoring: "text", batch: 2, fewShot: 1, ...parameters }),
    });
  };
  const answers = async (directory: string) =>
    (await readFile(join(directory, "choices.jsonl"), "utf8")).trimEnd().split("\n").map((line) => answeredQuestionSchema.parse(JSON.parse(line)));

  it("asks every question, with the log-probabilities that the model gives each choice after an example of the same subject", async () => {
    const { directory, metadata } = await runToEnd(await start());
    const found = await answers(directory);
    expect(found.map(({ question: text }) => text)).toEqual(["ab", "cd", "ef", "gh", "ij"]);
    const { directory: from, tokenizer } = await tinyModel(1);
    const backend = referenceBackend();
    await backend.load({ model: "m", directory: from, head: "language", trainable: false });
    for (const { question: text, choices, subject, logProbabilities, shots: count } of found) {
      expect(count).toBe(1);
      const before = tokenizer.encode(`Q: ${subject === "one" ? "s" : "t"}\nA: ${subject === "one" ? "v" : "u"}\n\nQ: ${text}\nA:`);
      for (const [index, choice] of choices.entries()) {
        const more = tokenizer.encode(` ${choice}`);
        const { logProbabilities: each } = await backend.forward("m", {
          batch: { sequences: [Int32Array.from([...before, ...more])], targets: [Int32Array.from(more, (_, at) => before.length + at)] }, quantities: ["logProbabilities"],
        });
        expect(logProbabilities[index]).toBeCloseTo(each!.reduce((sum, value) => sum + value, 0), 5);
      }
    }
    const right = found.filter((each) => chosenOf(each, false) === each.answer).length;
    expect(metadata.figures).toMatchObject({ "choice/accuracy": right / 5, "choice/questions": 5, "choice/chance": 1 / 3 });
    expect(Object.keys(metadata.figures ?? {}).sort(), "all can be an objective").toEqual([...choiceFigureNames].sort());
  });

  it("ends with the bytes of an uninterrupted one", async () => {
    const begin = await start();
    expect((await runInterrupted(begin, 2)).files).toEqual((await runToEnd(begin)).files);
  });

  it("asks as many as are wanted, subjects keeping their shares", async () => {
    const subjects = ["a", "b", "c", "d", "e", "f"];
    const two = subjects.flatMap((subject) => ["g", "h"].map((text) => question(text, ["x", "yy"], 0, subject)));
    const { directory } = await runToEnd(await start({ maxQuestions: 6 }, two));
    expect((await answers(directory)).map(({ subject }) => subject).sort()).toEqual(subjects);
  });

  it("counts questions that are too long, and fails where all are", async () => {
    const long = question("x".repeat(100), ["a", "b"], 0);
    const { directory } = await runToEnd(await start({}, [...questions.slice(0, 3), long]));
    expect(choiceReportSchema.parse(JSON.parse(await readFile(join(directory, "report.json"), "utf8")))).toMatchObject({ tooLong: 1, overall: { questions: 3 } });
    await expect(runToEnd(await start({}, [long]))).rejects.toMatchObject({ code: "TL_DATA_TOO_LONG" });
  });
});
