import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GROUP_FILE, groupLines } from "../../docs/group-figures.js";
import { readStudy } from "../../docs/secrets/figures.js";
import { sha256 } from "../../foundation/canonical.js";

describe("docs/group-invariance.md", () => {
  const study = readStudy(GROUP_FILE);

  it("has what the committed figures say, of four settings and three seeds", () => {
    const page = readFileSync("docs/group-invariance.md", "utf8");
    expect(study.runs.map(({ variant, seed }) => `${variant} ${seed}`)).toEqual(["balanced", "group", "kl", "max"].flatMap((variant) => [31, 32, 33].map((seed) => `${variant} ${seed}`)));
    for (const line of groupLines(study)) expect(page).toContain(line);
  });

  it("rests on the spec as it is", () => {
    expect(study.specs["group-invariance"]).toBe(sha256(readFileSync("pipelines/group-invariance.json")));
  });
});
