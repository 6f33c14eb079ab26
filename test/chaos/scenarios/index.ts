import type { Scenario } from "../scenario.js";
import { kills } from "./kills.js";

/** In the order in which the suite runs them. */
export const scenarios: readonly Scenario[] = [kills];
