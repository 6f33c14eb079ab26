import { describe } from "vitest";
import { findPython } from "../../../backends/torch/python.js";

/** Why the tests of this folder can't run here; undefined where they can. */
const reason = await findPython().then(() => undefined, (error: unknown) => (error instanceof Error ? error.message : String(error)));

/** A suite that needs Python with PyTorch; it is skipped where there is none, and says why. */
export const describeWithPython = (name: string, suite: () => void): void => {
  describe.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (skipped: ${reason})`, suite);
};
