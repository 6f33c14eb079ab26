/** A directed graph by name: for each stage the stages it waits for. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** Names so that each comes after what it waits for; otherwise in the given order. Those on or behind a cycle are left out. */
export function topologicalOrder(graph: Graph): string[] {
  const ordered = new Set<string>();
  for (let before = -1; before < ordered.size;) {
    before = ordered.size;
    for (const [name, after] of graph) if (after.every((each) => ordered.has(each) || !graph.has(each))) ordered.add(name);
  }
  return [...ordered];
}

/** One cycle for each knot of the graph, as the names on the way round, the first not repeated. */
export function findCycles(graph: Graph): string[][] {
  const ordered = new Set(topologicalOrder(graph));
  const seen = new Set<string>();
  const cycles: string[][] = [];
  for (const start of graph.keys()) {
    // Every stage that is left waits for another that is left, so that a walk never ends but in a cycle.
    const way: string[] = [];
    let name: string | undefined = ordered.has(start) ? undefined : start;
    while (name !== undefined && !seen.has(name)) {
      seen.add(name);
      way.push(name);
      name = graph.get(name)?.find((each) => graph.has(each) && !ordered.has(each));
    }
    if (name !== undefined && way.includes(name)) cycles.push(way.slice(way.indexOf(name)));
  }
  return cycles;
}

/** Stages with the names of those each comes after, listed after them. */
type Ordered = readonly { readonly name: string; readonly after: readonly string[] }[];

/** A stage and all that come after it, directly or not. */
export function afterStage(stages: Ordered, name: string): Set<string> {
  const found = new Set([name]);
  for (const stage of stages) if (stage.after.some((each) => found.has(each))) found.add(stage.name);
  return found;
}

/** The names of a stage and of all that it needs, in the order of the stages; undefined where no stage is named. */
export function limitedTo(stages: Ordered, until: string | undefined): string[] | undefined {
  if (until === undefined) return undefined;
  const needed = upToStage(stages, until);
  return stages.map(({ name }) => name).filter((name) => needed.has(name));
}

/** A stage and all that it needs, directly or not. */
export function upToStage(stages: Ordered, name: string): Set<string> {
  const found = new Set([name]);
  for (const stage of [...stages].reverse()) if (found.has(stage.name)) for (const each of stage.after) found.add(each);
  return found;
}
