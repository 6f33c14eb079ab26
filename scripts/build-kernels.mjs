import { existsSync, mkdirSync, statSync } from "node:fs";
import { execFileSync } from "node:child_process";

const source = "backends/onnx/kernels/kernels.ts";
const target = "dist/backends/onnx/kernels.wasm";

if (existsSync(source) && (!existsSync(target) || statSync(target).mtimeMs < statSync(source).mtimeMs)) {
  mkdirSync("dist/backends/onnx", { recursive: true });
  execFileSync("npx", ["asc", source, "--outFile", target, "--enable", "simd", "-O3", "--noAssert",
    "--runtime", "stub", "--importMemory", "--initialMemory", "1", "--maximumMemory", "65536"], { stdio: "inherit" });
}
