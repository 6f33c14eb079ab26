import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";

/** The functions of kernels/kernels.ts, as WebAssembly exports them. */
export interface Kernels {
  accumulate(target: number, source: number, length: number): void;
  scatterRows(table: number, rows: number, indices: number, count: number, width: number): void;
  squaredNorm(values: number, length: number): number;
  adamw(
    weights: number, gradients: number, firsts: number, seconds: number, length: number,
    scale: number, beta1: number, rest1: number, beta2: number, rest2: number, keep: number, rate: number, root: number, epsilon: number,
  ): void;
}

const callable = <F>() => z.custom<F>((value) => typeof value === "function");
const kernelExports = z.object({
  accumulate: callable<Kernels["accumulate"]>(),
  scatterRows: callable<Kernels["scatterRows"]>(),
  squaredNorm: callable<Kernels["squaredNorm"]>(),
  adamw: callable<Kernels["adamw"]>(),
});

let compiled: WebAssembly.Module | undefined;

/** Kernels that work on the given memory. @throws TL_INTERNAL when the program was not built. */
export function kernelsOn(memory: WebAssembly.Memory): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(compiledPath()));
  return kernelExports.parse(new WebAssembly.Instance(compiled, { env: { memory } }).exports);
}

/** Beside this file in dist/, or in dist/ when this file runs from its source. */
function compiledPath(): string {
  const places = ["./kernels.wasm", "../../dist/backends/onnx/kernels.wasm"]
    .map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) {
    throw new TruelineError("TL_INTERNAL", `${places[1]} is not there`, { hint: "Run `npm run build`." });
  }
  return found;
}
