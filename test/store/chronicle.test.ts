import { expect, it } from "vitest";
import { inOrder } from "../../store/chronicle.js";

const entry = (run: string, sequence: number, at: string) => ({ run, sequence, at: `2026-01-${at}T00:00:00.000Z` });
const names = (entries: readonly { readonly run: string; readonly sequence: number }[]) => entries.map(({ run, sequence }) => `${run}${sequence}`);

it("lines of a ledger keep their order though the time of day was set forth and back; several ledgers go by time", () => {
  expect(names(inOrder([entry("a", 0, "01"), entry("a", 1, "30"), entry("a", 2, "02"), entry("b", 0, "03"), entry("b", 1, "31")]))).toEqual(["a0", "b0", "a1", "a2", "b1"]);
  expect(names(inOrder([entry("a", 1, "02"), entry("a", 0, "09"), entry("b", 0, "05")]))).toEqual(["b0", "a0", "a1"]);
});
