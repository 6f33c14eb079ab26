import { expect, it } from "vitest";
import { fromFailure, toFailure } from "../../backends/messages.js";

it("a full disk is told as such across the process boundary, so that the stage is tried again", () => {
  const full = new Error("model.safetensors can't be written", { cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }) });
  expect(fromFailure(toFailure(full))).toMatchObject({ code: "TL_STORE_FULL", message: full.message, entry: { retry: true } });
});

it("an error that nobody expected stays one, with the stack of the process it happened in", () => {
  const error = new Error("undefined is not a function");
  expect(fromFailure(toFailure(error))).toMatchObject({ code: "TL_INTERNAL", message: error.message, cause: error.stack, entry: { retry: false } });
});
