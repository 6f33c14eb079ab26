import { Store } from "../store/store.js";

/** The store that commands work on: TRUELINE_HOME, else `.trueline` in the working directory. */
export function openStore(): Store {
  return new Store(Store.homeOf(process.env, process.cwd()));
}
