import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { randomAt } from "../../foundation/random.js";

// Makes the graph and the random walks of this folder. The task is trlX's: find short walks to a goal, having seen random ones.

const seed = 8;
const nodes = [..."abcdefghijklmnopqrstu"];
const goal = "a";
const edgeProbability = 0.1;
const maxLength = 10;
const walkCount = 1000;

/** From each node, those that it leads to; the goal leads nowhere else. The first draw in which every node has a walk to the goal that is short enough. */
export function makeGraph(): Record<string, string> {
  for (let draw = 0; ; draw++) {
    const random = randomAt(seed, "graph", draw);
    const edges = Object.fromEntries(nodes.map((from) => [from, nodes.filter((to) => to !== from && random.uniform() < edgeProbability).join("")]));
    edges[goal] = goal;
    const shortest = shortestWalks(edges);
    if (nodes.every((node) => (shortest.get(node) ?? maxLength) < maxLength)) return edges;
  }
}

/** Nodes of the shortest walk to the goal from each node that has one, both ends counted. */
function shortestWalks(edges: Readonly<Record<string, string>>): ReadonlyMap<string, number> {
  const found = new Map([[goal, 1]]);
  for (const [node, length] of found) for (const from of nodes) if (edges[from]!.includes(node) && !found.has(from)) found.set(from, length + 1);
  return found;
}

/** Walks from nodes drawn at random along edges drawn at random, up to the goal or to `maxLength` nodes. */
export function makeWalks(edges: Readonly<Record<string, string>>): string[] {
  const random = randomAt(seed, "walks");
  const starts = nodes.filter((node) => node !== goal);
  return Array.from({ length: walkCount }, () => {
    let walk = random.pick(starts);
    while (walk.length < maxLength && !walk.endsWith(goal)) walk += random.pick([...edges[walk.at(-1)!]!]);
    return walk;
  });
}

/** The files by name: the graph, the walks as answers to their first node, and the nodes at which walks may start. */
export function makeFiles(): Readonly<Record<string, string>> {
  const edges = makeGraph();
  const line = (row: object) => `${JSON.stringify(row)}\n`;
  return {
    "graph.json": `${JSON.stringify({ goal, maxLength, edges }, undefined, 2)}\n`,
    "walks.jsonl": makeWalks(edges).map((walk) => line({ prompt: walk[0], completion: walk.slice(1) })).join(""),
    "starts.jsonl": nodes.filter((node) => node !== goal).map((prompt) => line({ prompt })).join(""),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(makeFiles())) await writeFile(new URL(name, import.meta.url), text);
}
