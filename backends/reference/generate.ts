import type { GenerateRequest, GenerateResult } from "../backend.js";
import { logSumExp } from "./layers.js";
import { type Model, hiddenStates } from "./decoder.js";
import { gatherRows, linear } from "./matrices.js";
import { languageHead } from "./quantities.js";
import { Tape } from "./tape.js";
import { validateDrawn } from "../validate.js";

interface Row {
  readonly tokens: number[];
  readonly logProbabilities: number[];
  readonly sampledLogProbabilities: number[];
  readonly finished: boolean;
}

/** Samples each row to its end by full forwards. */
export function generate(name: string, model: Model, request: GenerateRequest): GenerateResult {
  const { maxNewTokens, uniforms } = request;
  const check = (prompt: number) => (token: number, logProbability: number | undefined) => validateDrawn(name, logProbability, { prompt, token });
  const rows = request.prompts.map((prompt, index) => {
    const own = uniforms.subarray(index * maxNewTokens, (index + 1) * maxNewTokens);
    return generateRow(model, request, prompt, own, check(index));
  });
  return {
    tokens: rows.map((row) => Int32Array.from(row.tokens)),
    logProbabilities: rows.map((row) => Float32Array.from(row.logProbabilities)),
    sampledLogProbabilities: isFiltered(request) ? rows.map((row) => Float32Array.from(row.sampledLogProbabilities)) : undefined,
    finished: rows.map((row) => row.finished),
  };
}

const isFiltered = ({ topP = 1, topK = 0, repetitionPenalty = 1 }: GenerateRequest): boolean =>
  topP < 1 || topK > 0 || repetitionPenalty !== 1;

function generateRow(
  model: Model, request: GenerateRequest, prompt: Int32Array, uniforms: Float32Array,
  check: (token: number, logProbability: number | undefined) => void,
): Row {
  const row = { tokens: [] as number[], logProbabilities: [] as number[], sampledLogProbabilities: [] as number[] };
  for (let step = 0; step < request.maxNewTokens; step++) {
    const seen = Int32Array.from([...prompt, ...row.tokens]);
    const tape = new Tape(false);
    const hidden = hiddenStates(tape, model, seen);
    const logits = linear(tape, gatherRows(tape, hidden, [seen.length - 1]), languageHead(model)).data;
    const offered = filter(logits, seen, request);
    const token = request.temperature === 0 ? likeliest(offered) : draw(offered, uniforms[step]!);

    const logProbability = normalised(logits, request.temperature)[token];
    check(step, logProbability);
    row.tokens.push(token);
    row.logProbabilities.push(logProbability!);
    row.sampledLogProbabilities.push(offered[token]!);
    if (request.endTokens.includes(token)) return { ...row, finished: true };
  }
  return { ...row, finished: false };
}

/** Log-probabilities at the temperature (at 0: at 1). */
function normalised(logits: Float64Array, temperature: number): Float64Array {
  const scaled = logits.map((value) => value / (temperature || 1));
  const shift = logSumExp(scaled);
  return scaled.map((value) => value - shift);
}

/**
 * The log-probabilities that tokens are drawn from: repetition penalty, temperature, top-k, top-p, in the order of
 * transformers. Equal tokens rank by their ids.
 */
function filter(logits: Float64Array, seen: Int32Array, request: GenerateRequest): Float64Array {
  const { topP = 1, topK = 0, repetitionPenalty = 1 } = request;
  const repeated = new Set(seen);
  const penalised = logits.map((value, token) => {
    if (!repeated.has(token)) return value;
    return value > 0 ? value / repetitionPenalty : value * repetitionPenalty;
  });
  let offered = normalised(penalised, request.temperature);
  const ranked = [...offered.keys()].sort((a, b) => offered[b]! - offered[a]! || a - b);

  const keep = (count: number): void => {
    const kept = new Set(ranked.slice(0, count));
    offered = normalised(offered.map((value, token) => (kept.has(token) ? value : -Infinity)), 1);
  };
  if (topK > 0) keep(topK);
  if (topP < 1) {
    let [count, mass] = [0, 0];
    while (mass < topP && count < ranked.length) mass += Math.exp(offered[ranked[count++]!]!);
    keep(count);
  }
  return offered;
}

const likeliest = (logProbabilities: Float64Array): number =>
  logProbabilities.reduce((best, value, token) => (value > logProbabilities[best]! ? token : best), 0);

/** The first token, in order of ids, up to which the probabilities add up to more than the uniform. */
function draw(logProbabilities: Float64Array, uniform: number): number {
  let mass = 0;
  for (const [token, value] of logProbabilities.entries()) {
    mass += Math.exp(value);
    if (mass > uniform) return token;
  }
  // rounding can leave the sum a hair below 1
  return logProbabilities.findLastIndex((value) => value > -Infinity);
}
