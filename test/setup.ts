import { findBinary } from "../temporal/binary.js";

/** Obtains the Temporal server's program before any test starts: on a fresh machine that can take minutes, once. */
export async function setup(): Promise<void> {
  await findBinary({ environment: process.env, say: (text) => { console.error(text); } });
}
