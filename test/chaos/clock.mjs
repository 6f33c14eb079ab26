// Loaded into a process with `node --import`: its time of day runs ahead of the system's by the milliseconds in a file,
// which is looked at five times a second. Clocks that nobody can set, such as performance.now, stay as they are.
import { readFileSync } from "node:fs";

const RealDate = Date;
let offset = 0;
const look = () => {
  try {
    offset = Number(readFileSync(process.env.TRUELINE_CHAOS_CLOCK, "utf8")) || 0;
  } catch {
    offset = 0;
  }
};
look();
setInterval(look, 200).unref();

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + offset);
    else super(...given);
  }

  static now() {
    return RealDate.now() + offset;
  }
};
