import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const folder = fileURLToPath(new URL(".", import.meta.url));
const page = readFileSync(fileURLToPath(new URL("../../docs/traps.md", import.meta.url)), "utf8");

/** Every thread whose trap a test guards. */
const threads = [
  "metaflow#3229", "metaflow#1851", "flyte#3578", "dagster#20925", "dagster#30248", "dagster#4087", "argo#10426", "kfp#8236", "argo#1204", "argo#3002",
  "argo#12944", "prefect#10381", "prefect#18653", "FlagScale#1268", "dust#4272", "zenml-dashboard#822", "mlflow#10477",
  "trl#2657", "trl#1643", "NeMo-RL PR#3171", "verl#2653", "verl#7401", "OpenRLHF#1103", "NeMo-RL PR#2519", "miles PR#2224", "NeMo-RL#1107",
  "trl#925", "trl#1005", "trl#1161", "trl#3750", "OpenRLHF PR#853", "trlx#345", "OpenRLHF#643", "trl#229", "trl#1941", "verl#1524",
];

/** `file: name` of each test, by the thread behind its name. */
function testsByThread(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".test.ts")).sort()) {
    for (const [, name, tags] of readFileSync(`${folder}${file}`, "utf8").matchAll(/\bit\("([^"]+) \[([^\]"]+)\]"/g)) {
      for (const tag of tags!.split(", ")) found.set(tag, [...found.get(tag) ?? [], `${file.replace(".test.ts", "")}: ${name}`]);
    }
  }
  return found;
}

/** `file: name` of the tests that the page tells of, by thread. */
function rowsByThread(): ReadonlyMap<string, readonly string[]> {
  return new Map(page.split("\n").flatMap((line) => {
    const [, thread, tests] = /^\| \[([^\]]+)\]\(https:\/\/github\.com\/[^)]+\) \|.*\| ([^|]+) \|$/.exec(line) ?? [];
    return thread === undefined || tests === undefined ? [] : [[thread, tests.split("<br>")] as const];
  }));
}

describe("docs/traps.md", () => {
  it("has a row for every trap, and no other", () => {
    expect([...rowsByThread().keys()]).toEqual(threads);
  });

  it("names every test that guards a trap, by the name it has", () => {
    expect(Object.fromEntries(rowsByThread())).toEqual(Object.fromEntries(threads.map((thread) => [thread, testsByThread().get(thread) ?? []])));
  });

  it("knows the threads of all tests", () => {
    expect([...testsByThread().keys()].filter((thread) => !threads.includes(thread))).toEqual([]);
  });
});
