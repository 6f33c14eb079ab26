import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Backend, Head } from "../../backends/backend.js";
import { logProbabilities, negate } from "../../backends/expressions.js";
import { runScript } from "./python.js";

const numbers = z.array(z.number());
const familyFacts = z.object({
  directory: z.string(), logProbabilities: numbers, scores: numbers, values: numbers, greedy: z.array(numbers), gradientNorm: z.number(),
});
const factsForm = z.object({ rows: z.array(numbers), families: z.record(z.string(), familyFacts), versions: z.record(z.string(), z.string()) });
export type Facts = z.output<typeof factsForm>;

/** How far a backend is from transformers; what it has to stay below is in `tolerances`. */
export interface Parity {
  /** Largest difference of a log-probability, score, value. */
  readonly logProbabilities: number;
  readonly scores: number;
  readonly values: number;
  /** Of the gradient norm of all log-probabilities, relative. */
  readonly gradientNorm: number;
  /** Share of greedily chosen tokens that are transformers'. */
  readonly greedy: number;
  /** Whether a step, saved and continued with another, ends with the bytes of two steps. */
  readonly resume: boolean;
}

export const tolerances = { logProbabilities: 2e-5, scores: 2e-5, values: 2e-5, gradientNorm: 1e-5 } as const;

/** Makes the models of all families and what transformers says of them. */
export const makeFacts = async (directory: string): Promise<Facts> => factsForm.parse(JSON.parse(await runScript("parity.py", directory)));

/** Compares a backend with transformers over one family. */
export async function parityOf(backend: Backend, rows: Facts["rows"], facts: Facts["families"][string]): Promise<Parity> {
  const sequences = rows.map((row) => Int32Array.from(row));
  const targets = sequences.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, index) => index + 1));
  const batch = { sequences, targets };
  const load = (head: Head, trainable: boolean) => backend.load({ model: "peer", directory: join(facts.directory, head), head, trainable });
  const quantity = async (head: Head, name: "logProbabilities" | "scores" | "values"): Promise<number> => {
    await load(head, false);
    const found = (await backend.forward("peer", { batch, quantities: [name] }))[name]!;
    return Math.max(...facts[name].map((value, index) => Math.abs(found[index]! - value)));
  };
  const [scores, values, plain] = [await quantity("score", "scores"), await quantity("value", "values"), await quantity("language", "logProbabilities")];
  const { tokens } = await backend.generate("peer", { prompts: sequences, maxNewTokens: facts.greedy[0]!.length, temperature: 0, endTokens: [], uniforms: new Float32Array() });
  const chosen = facts.greedy.flat();
  const same = tokens.flatMap((row) => [...row]).filter((token, index) => token === chosen[index]).length;

  await load("language", true);
  const part = { batch, arrays: {}, statistics: {}, loss: [negate(logProbabilities)] };
  const { gradientNorm } = await backend.step("peer", { parts: [part] });
  return {
    logProbabilities: plain, scores, values, greedy: same / chosen.length, gradientNorm: Math.abs(gradientNorm / facts.gradientNorm - 1),
    resume: await resumes(backend, facts.directory, part),
  };
}

async function resumes(backend: Backend, directory: string, part: Parameters<Backend["step"]>[1]["parts"][number]): Promise<boolean> {
  const optimizer = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };
  const step = () => backend.step("peer", { parts: [part], optimizer });
  const saved = async (): Promise<string> => {
    const place = await mkdtemp(join(directory, "saved-"));
    await backend.save("peer", place, { optimizer: true });
    return place;
  };
  await step();
  const middle = await saved();
  await step();
  const straight = await saved();
  await backend.load({ model: "peer", directory: middle, head: "language", trainable: true, optimizer: true });
  await step();
  const resumed = await saved();
  const bytes = async (place: string): Promise<Buffer> => Buffer.concat(await Promise.all(["model.safetensors", "optimizer.safetensors"].map((name) => readFile(join(place, name)))));
  return (await bytes(straight)).equals(await bytes(resumed));
}
