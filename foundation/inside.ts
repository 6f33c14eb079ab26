import { isAbsolute, relative, sep } from "node:path";

/** Whether a path is a folder's or lies in it, as both are written. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
