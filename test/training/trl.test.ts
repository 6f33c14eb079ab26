import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compareTensors, trlFacts } from "./trl-agreement.js";
import { algorithmFacts, compareAlgorithms } from "./trl-algorithms.js";

/** What TRL made of random tensors, as `npm run peers -- --write-fixtures` recorded it; `npm run peers` asks it anew. */
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8"));
const { tensors } = trlFacts.parse(read("trl"));
const { seeds } = algorithmFacts.parse(read("trl-algorithms"));

describe("beside what TRL has computed", () => {
  it.each(compareTensors(tensors).filter(({ tolerance }) => tolerance !== undefined))("$what: $theirs", ({ difference, tolerance }) => {
    expect(difference).toBeLessThan(tolerance!);
  });

  it.each(compareAlgorithms(seeds))("$what: $theirs", ({ difference, tolerance }) => {
    expect(difference).toBeLessThan(tolerance!);
  });
});
