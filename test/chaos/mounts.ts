import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { Place } from "./place.js";
import { Skipped } from "./scenario.js";

/** Makes a place's home a file system of its own, in memory, of so many megabytes. Throws Skipped where one may not mount. */
export function mountHome(place: Place, megabytes: number): void {
  mkdirSync(place.home);
  const { status, stderr } = mount("-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", place.home);
  if (status !== 0) throw new Skipped(`a file system can't be mounted here (${stderr.trim() || "no mount"}); run as root, or under \`unshare -Urm\``);
  place.beforeRemoval(() => { spawnSync("umount", ["-l", place.home]); });
}

/** Makes the home's file system read-only or writable again; false while something is being written there. */
export function remount(place: Place, mode: "ro" | "rw"): boolean {
  return mount("-o", `remount,${mode}`, place.home).status === 0;
}

function mount(...words: readonly string[]) {
  return spawnSync("mount", words, { encoding: "utf8" });
}
