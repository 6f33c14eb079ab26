import { startTorchBackend } from "../../../backends/torch/index.js";
import { keepsTheContract } from "../contract.js";
import { describeWithPython } from "./python.js";

describeWithPython("the torch backend in two processes", () => {
  // transformers turns by angles in float32, which a gradient through the turn shows
  keepsTheContract({ start: () => startTorchBackend({ processes: 2, threads: 2, device: "cpu" }), lossTolerance: 1e-5, normTolerance: 2e-5, tokenTolerance: 1e-5 });
});
