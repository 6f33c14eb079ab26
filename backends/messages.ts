import { z } from "zod";
import { errorRegistry, TruelineError, type ErrorCode } from "../foundation/errors.js";
import { storageFault } from "../foundation/storage-faults.js";
import type { Backend } from "./backend.js";
import type { BinaryOperation, Expression, UnaryOperation } from "./expressions.js";

/** The methods that cross a process boundary; `close` ends the process instead. */
export type Method = Exclude<keyof Backend, "close">;

/** What each method takes and gives. */
export type Signatures = {
  readonly [M in Method]: { readonly parameters: Parameters<Backend[M]>; readonly result: Awaited<ReturnType<Backend[M]>> };
};

const floats = z.instanceof(Float32Array<ArrayBuffer>);
const integers = z.instanceof(Int32Array<ArrayBuffer>);
/** Also ±Infinity, as the open end of a clip, and NaN, which the guard that stops a diverged run must see. */
const number = z.custom<number>((value) => typeof value === "number");
const head = z.enum(["language", "score", "value"]);

const unaryOperations = ["negate", "exp", "log", "square", "absolute", "logSigmoid", "stopGradient"] as const satisfies readonly UnaryOperation[];
const binaryOperations = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "greater"] as const satisfies readonly BinaryOperation[];

const expression: z.ZodType<Expression> = z.lazy(() => z.discriminatedUnion("op", [
  z.strictObject({ op: z.enum(["logProbabilities", "entropy", "values", "scores"]) }),
  z.strictObject({ op: z.literal("given"), name: z.string(), over: z.enum(["tokens", "rows"]) }),
  z.strictObject({ op: z.literal("constant"), value: number }),
  z.strictObject({ op: z.enum(unaryOperations), of: expression }),
  z.strictObject({ op: z.enum(binaryOperations), left: expression, right: expression }),
  z.strictObject({ op: z.literal("clip"), of: expression, low: number, high: number }),
  z.strictObject({ op: z.literal("take"), of: expression, indices: z.string() }),
  z.strictObject({ op: z.literal("rowSums"), of: expression }),
]));

const sum = z.array(expression);
const batch = z.strictObject({ sequences: z.array(integers), targets: z.array(integers) });

const newHead = z.discriminatedUnion("init", [
  z.strictObject({ init: z.literal("zero") }),
  z.strictObject({ init: z.literal("normal"), seed: number }),
  z.strictObject({ init: z.literal("fromScore"), mean: number, std: number }),
]);

const adapter = z.union([
  z.strictObject({
    rank: number, alpha: number, targets: z.union([z.literal("all-linear"), z.array(z.string())]), seed: number, base: z.string().optional(),
  }),
  z.strictObject({ directory: z.string() }),
]);

const load = z.strictObject({
  model: z.string(), directory: z.string(), adapters: z.array(z.string()).optional(), head, newHead: newHead.optional(),
  trainable: z.boolean(), adapter: adapter.optional(), optimizer: z.boolean().optional(),
});

const forward = z.strictObject({
  batch, temperature: number.optional(),
  quantities: z.array(z.enum(["logProbabilities", "entropy", "values", "scores", "features"])),
  adapter: z.literal("off").optional(),
});

const generate = z.strictObject({
  prompts: z.array(integers), maxNewTokens: number, temperature: number,
  topP: number.optional(), topK: number.optional(), repetitionPenalty: number.optional(),
  endTokens: z.array(number), uniforms: floats,
});

const step = z.strictObject({
  parts: z.array(z.strictObject({
    batch, arrays: z.record(z.string(), floats), loss: sum, statistics: z.record(z.string(), sum),
    temperature: number.optional(),
  })),
  optimizer: z.strictObject({
    learningRate: number, beta1: number, beta2: number, epsilon: number, weightDecay: number,
    maxGradientNorm: number.optional(),
  }).optional(),
  normsByParameter: z.boolean().optional(),
});

type ParseParameters = { readonly [M in Method]: (given: unknown) => Signatures[M]["parameters"] };
type ParseResult = { readonly [M in Method]: (given: unknown) => Signatures[M]["result"] };

const parser = <T>(schema: z.ZodType<T>) => (given: unknown): T => schema.parse(given);

/** Checks what each method is called with, as it arrives on the other side. */
export const parseParameters: ParseParameters = {
  describe: parser(z.tuple([])),
  load: parser(z.tuple([load])),
  unload: parser(z.tuple([z.string()])),
  save: parser(z.tuple([z.string(), z.string(), z.strictObject({ optimizer: z.boolean() })])),
  forward: parser(z.tuple([z.string(), forward])),
  generate: parser(z.tuple([z.string(), generate])),
  step: parser(z.tuple([z.string(), step])),
};

const numbers = z.record(z.string(), number);

/** Checks what each method answers, as it comes back. */
export const parseResult: ParseResult = {
  describe: parser(z.strictObject({
    name: z.string(), versions: z.record(z.string(), z.string()), device: z.string(), threads: z.number(),
  })),
  load: parser(z.strictObject({
    parameters: z.number(), trained: z.number(), vocabulary: z.number(), context: z.number(), headIsNew: z.boolean(),
  })),
  unload: parser(z.void()),
  save: parser(z.void()),
  forward: parser(z.strictObject({
    logProbabilities: floats.optional(), entropy: floats.optional(), values: floats.optional(), scores: floats.optional(),
    features: floats.optional(),
  })),
  generate: parser(z.strictObject({
    tokens: z.array(integers), logProbabilities: z.array(floats),
    sampledLogProbabilities: z.array(floats).optional(), finished: z.array(z.boolean()),
  })),
  step: parser(z.strictObject({
    losses: z.array(number), statistics: z.array(numbers), gradientNorm: number, normsByParameter: numbers.optional(),
  })),
};

const method = z.enum(["describe", "load", "unload", "save", "forward", "generate", "step"] as const satisfies readonly Method[]);

/** A call on its way to the process that computes. */
export const callSchema = z.strictObject({ id: z.number(), method, parameters: z.array(z.unknown()) });

const isCode = (value: unknown): value is ErrorCode => typeof value === "string" && value in errorRegistry;

/** An error as a message. */
export const failureSchema = z.strictObject({
  code: z.custom<ErrorCode>(isCode), message: z.string(), hint: z.string().optional(), stack: z.string().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** Its answer. */
export const replySchema = z.union([
  z.strictObject({ id: z.number(), result: z.unknown() }),
  z.strictObject({ id: z.number(), failure: failureSchema }),
]);

export type Call = z.infer<typeof callSchema>;
export type Reply = z.infer<typeof replySchema>;

/**
 * An error as a message. Full disks and allocation failures have codes of their own, which say that a retry may help; other
 * errors without a code become TL_INTERNAL with their stack.
 */
export function toFailure(fault: unknown): Failure {
  const error = storageFault(fault);
  if (error instanceof TruelineError) {
    return { code: error.code, message: error.message, hint: error.hint, stack: error.stack };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  if (/bad.?alloc|allocate memory|Array buffer allocation failed|could not allocate|out of memory/i.test(message)) {
    return { code: "TL_BACKEND_OUT_OF_MEMORY", message: `Not enough memory: ${message}`, stack };
  }
  return { code: "TL_INTERNAL", message, stack };
}

/** The error of a message, with the stack of the process it happened in as its cause. */
export function fromFailure({ code, message, hint, stack }: Failure): TruelineError {
  return new TruelineError(code, message, { hint, cause: stack });
}
