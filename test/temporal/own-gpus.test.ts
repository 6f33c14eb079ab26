import { describe, expect, it } from "vitest";
import { gpusFrom } from "../../temporal/own-gpus.js";

describe("the GPUs of a run's own worker", () => {
  it("are what TRUELINE_GPUS and TRUELINE_GPU_MEMORY say, none by default", () => {
    expect(gpusFrom({})).toEqual({ gpus: 0 });
    expect(gpusFrom({ TRUELINE_GPUS: "2", TRUELINE_GPU_MEMORY: "24GB" })).toEqual({ gpus: 2, gpuMemory: 24e9 });
    expect(gpusFrom({ TRUELINE_GPUS: "2", TRUELINE_GPU_MEMORY: "" })).toEqual({ gpus: 2 });
  });

  it("are refused where these can't be read", () => {
    for (const gpus of ["two", "2.5", "-1", "12345"]) expect(() => gpusFrom({ TRUELINE_GPUS: gpus })).toThrow(expect.objectContaining({ code: "TL_USAGE" }));
    for (const memory of ["24", "lots"]) expect(() => gpusFrom({ TRUELINE_GPUS: "2", TRUELINE_GPU_MEMORY: memory })).toThrow(/TRUELINE_GPU_MEMORY/);
  });
});
