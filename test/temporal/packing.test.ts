import { defaultPayloadConverter } from "@temporalio/common";
import { describe, expect, it } from "vitest";
import { packing } from "../../temporal/packing.js";

const payloadOf = (value: unknown) => defaultPayloadConverter.toPayload(value)!;
const through = async (value: unknown) => packing.decode(await packing.encode([payloadOf(value)]));

describe("payloads to the server", () => {
  it("are packed where they are large, and come back as they were", async () => {
    const value = { text: "stage ".repeat(50_000), more: [1, null] };
    const [packed] = await packing.encode([payloadOf(value)]);
    expect(packed!.data!.length).toBeLessThan(3000);
    expect((await through(value))[0]).toEqual({ ...payloadOf(value), data: Buffer.from(payloadOf(value).data!) });
    expect(defaultPayloadConverter.fromPayload((await through(value))[0]!)).toEqual(value);
  });

  it("stay as they are where they are small, and where another program wrote them", async () => {
    const small = payloadOf({ step: 1 });
    expect(await packing.encode([small])).toEqual([small]);
    expect(await packing.decode([small])).toEqual([small]);
  });
});
