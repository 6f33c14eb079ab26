import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compareTensors, trlFacts } from "./trl-agreement.js";

/** What TRL made of random tensors, as `npm run peers -- --write-fixtures` recorded it; `npm run peers` asks it anew. */
const { tensors } = trlFacts.parse(JSON.parse(readFileSync(new URL("fixtures/trl.json", import.meta.url), "utf8")));

describe("beside what TRL has computed", () => {
  it.each(compareTensors(tensors).filter(({ tolerance }) => tolerance !== undefined))("$what: $theirs", ({ difference, tolerance }) => {
    expect(difference).toBeLessThan(tolerance!);
  });
});
