/**
 * How near a walk comes to the shortest one: (maxLength − L) / (maxLength − L*), where L is the number of nodes up to the goal, or maxLength
 * where the walk takes an edge that is not there or does not reach it, and L* that of the shortest walk from the same node. The prompt is
 * the node at which a walk starts, the answer the nodes that follow; what comes behind the goal is not looked at.
 *
 * @param {readonly { prompt: readonly { content: string }[], answer: string }[]} answers
 * @param {{ options: { goal: string, maxLength: number, edges: Record<string, string> } }} context `edges`: from each node, those that it leads to.
 * @returns {number[]} 0 … 1
 */
export function reward(answers, { options: { goal, maxLength, edges } }) {
  const shortest = shortestWalks(goal, edges);
  return answers.map(({ prompt, answer }) => {
    const start = prompt.at(-1).content;
    return (maxLength - lengthOf(start + answer, goal, maxLength, edges)) / (maxLength - shortest.get(start));
  });
}

function lengthOf(walk, goal, maxLength, edges) {
  for (let at = 0; at < Math.min(walk.length, maxLength); at++) {
    if (walk[at] === goal) return at + 1;
    if (!edges[walk[at]]?.includes(walk[at + 1])) return maxLength;
  }
  return maxLength;
}

/** Nodes of the shortest walk from each node to the goal, both counted: breadth first, against the edges. */
function shortestWalks(goal, edges) {
  const found = new Map([[goal, 1]]);
  for (const node of found.keys()) {
    for (const [from, to] of Object.entries(edges)) if (to.includes(node) && !found.has(from)) found.set(from, found.get(node) + 1);
  }
  return found;
}
