import { expect, it } from "vitest";
import { pretrainingRows } from "../../training/pretraining-rows.js";
import { stageData, textRow, tinyModel } from "./support.js";

it("updates draw the rows of packed text one after another, whoever asks and in whatever order", async () => {
  const { tokenizer } = await tinyModel(1);
  const text = stageData({ text: { train: ["abcd", "efghij", "kl", "mnopqrstuv"].map((each) => textRow(each)), heldOut: [] } });
  const drawn = async (updates: readonly number[]) => {
    const draw = await pretrainingRows({ data: { pretrainingData: text }, seed: 5 }, tokenizer, { coefficient: 0.1, rows: 2, length: 5 });
    return updates.map((update) => draw(2, update).map((row) => [...row].join(" ")));
  };
  const [first, second, third] = await drawn([0, 1, 2]);
  expect((await drawn([2, 0, 1]))).toEqual([third, first, second]);
  // 22 characters and 4 ends make 5 rows of 5 tokens: the first four are others than each other.
  expect(new Set([...first!, ...second!]).size).toBe(4);
  expect(await pretrainingRows({ data: { pretrainingData: text }, seed: 5 }, tokenizer, { coefficient: 0.1, rows: 4, length: 5 })
    .then((draw) => draw(4, 0).map((row) => [...row].join(" ")))).toEqual([...first!, ...second!]);
});
