import { createReferenceBackend } from "../../backends/reference/index.js";
import { keepsTheContract } from "./contract.js";

// arrays of tokens leave the backend as float32
keepsTheContract({ start: async () => createReferenceBackend(), lossTolerance: 1e-11, normTolerance: 1e-11, tokenTolerance: 1e-7 });
