import { startOnnxBackend } from "../../backends/onnx/index.js";
import { keepsTheContract } from "./contract.js";

keepsTheContract({ start: () => startOnnxBackend({ threads: 2 }), lossTolerance: 1e-5, normTolerance: 1e-5, tokenTolerance: 1e-5 });
