import type { Scenario } from "../scenario.js";
import { binary } from "./binary.js";
import { clockJumps } from "./clock-jumps.js";
import { corruption } from "./corruption.js";
import { diskFull } from "./disk-full.js";
import { kills } from "./kills.js";
import { queue } from "./queue.js";
import { readOnly } from "./read-only.js";
import { serverLost } from "./server-lost.js";
import { twoWorkers } from "./two-workers.js";
import { upgrade } from "./upgrade.js";

/** In the order in which the suite runs them: what says most in little time comes first. */
export const scenarios: readonly Scenario[] = [serverLost, corruption, upgrade, clockJumps, readOnly, diskFull, binary, twoWorkers, kills, queue];
