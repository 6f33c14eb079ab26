import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's own data folder, found alike from the sources and from `dist`. */
export function packageData(): string {
  const room = dirname(fileURLToPath(import.meta.url));
  const built = join("dist", "data");
  return room.endsWith(`${sep}${built}`) ? join(room.slice(0, -built.length), "data") : room;
}
