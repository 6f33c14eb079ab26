import { describe, expect, it } from "vitest";
import { gpusFrom } from "../../temporal/own-gpus.js";

describe("the GPUs of a run's own worker", () => {
  it("are what TRUELINE_GPUS and TRUELINE_GPU_MEMORY say, none by default", () => {
    expect(gpusFrom({})).toEqual({ gpus: 0 });
    expect(gpusFrom({ TRUELINE_GPUS: "2", TRUELINE_GPU_MEMORY: "24GB" })).toEqual({ gpus: 2, gpuMemory: 24e9 });
  });

  it("are refused where these can't be read", () => {
    expect(() => gpusFrom({ TRUELINE_GPUS: "two" })).toThrow(expect.objectContaining({ code: "TL_USAGE" }));
    expect(() => gpusFrom({ TRUELINE_GPUS: "2", TRUELINE_GPU_MEMORY: "24" })).toThrow(/TRUELINE_GPU_MEMORY/);
  });
});
