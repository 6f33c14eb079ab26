import { expect, it } from "vitest";
import { mapBreathing } from "../../foundation/breath.js";
import { ticksBetween } from "../ticks.js";

it("mapping with breath keeps the order, and lets timers tick between items that take long", async () => {
  const numbers = Array.from({ length: 10 }, (_, index) => index);
  let doubled: readonly number[] = [];
  const ticks = await ticksBetween(async (hold) => {
    doubled = await mapBreathing(numbers, (number) => {
      hold();
      return 2 * number;
    });
  });
  expect(doubled).toEqual(numbers.map((number) => 2 * number));
  expect(ticks).toBeGreaterThan(1);
});
