/** Writes the sample task's files into the package: `npm run sample-data`. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { packageData } from "../package.js";
import { sampleFiles } from "./files.js";

const folder = join(packageData(), "sample", "files");
for (const [name, text] of sampleFiles()) {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), name.endsWith(".gz") ? gzipSync(text, { level: 9 }) : text);
  console.log(join(folder, name));
}
