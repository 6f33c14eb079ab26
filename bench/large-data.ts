import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readDataset } from "../data/dataset.js";
import { randomAt } from "../foundation/random.js";
import { BatchOrder } from "../training/batches.js";

// usage: node --max-old-space-size=128 --import tsx bench/large-data.ts [MEGABYTES]: reads a file of that size, 300 if none is given,
// draws 1,000 batches of it in shuffled order, and prints what memory that took.
const { positionals: [megabytes = "300"] } = parseArgs({ allowPositionals: true });
const folder = await mkdtemp(join(tmpdir(), "trueline-large-"));
try {
  const path = join(folder, "dialogues.jsonl");
  const file = createWriteStream(path);
  const random = randomAt(1, "text");
  let rows = 0;
  for (let bytes = 0; bytes < Number(megabytes) * 1e6; rows++) {
    const line = `${JSON.stringify({ prompt: `Question ${rows}?`, response: Array.from({ length: 60 }, () => random.integer(1e9).toString(36)).join(" ") })}\n`;
    bytes += line.length;
    if (!file.write(line)) await once(file, "drain");
  }
  file.end();
  await once(file, "finish");
  let heap = 0;
  const look = () => { heap = Math.max(heap, process.memoryUsage().heapUsed); };
  const { dialogues } = await readDataset({ name: "large", format: "dialogue", path, holdout: 0.01, maxBadShare: 0 }, ["dialogues"], { folder, onProgress: look });
  const order = new BatchOrder(1, dialogues.train.length, 32);
  for (let step = 0; step < 1000; step++) {
    for (const row of order.at(step)) dialogues.train.at(row);
    look();
  }
  const { maxRSS } = process.resourceUsage();
  process.stdout.write(`${megabytes} MB, ${rows} rows, ${dialogues.heldOut.length} held out: heap at most ${Math.round(heap / 2 ** 20)} MiB, resident at most ${Math.round(maxRSS / 1024)} MiB\n`);
} finally {
  await rm(folder, { recursive: true });
}
