import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { errorRegistry } from "../../foundation/errors.js";

describe("the error registry", () => {
  it("has codes of one form, each with a sentence on what it means and one on what to do", () => {
    for (const [code, { meaning, remedy }] of Object.entries(errorRegistry)) {
      expect(code).toMatch(/^TL(_[A-Z]+)+$/);
      expect(meaning, code).toMatch(/\.$/);
      expect(remedy, code).toMatch(/[.`]$/);
    }
  });

  it("ends commands with 5 for faults of a spec, except where its file is missing", () => {
    const exits = Object.entries(errorRegistry).filter(([code]) => code.startsWith("TL_SPEC_")).map(([code, { exit }]) => [code, exit]);
    expect(exits.filter(([, exit]) => exit !== 5)).toEqual([["TL_SPEC_MISSING", 3]]);
  });

  it("has each code in one area alone", async () => {
    const folder = new URL("../../foundation/errors/", import.meta.url);
    const areas = (await readdir(folder)).filter((file) => file !== "entry.ts").map((file) => import(new URL(file, folder).href) as Promise<Record<string, object>>);
    const codes = (await Promise.all(areas)).flatMap((area) => Object.values(area)).flatMap((errors) => Object.keys(errors));
    expect(codes.sort()).toEqual(Object.keys(errorRegistry).sort());
  });
});
