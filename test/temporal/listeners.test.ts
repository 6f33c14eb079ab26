import { spawnSync } from "node:child_process";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { listening } from "../../temporal/client.js";

const now = 1_000_000;
const worker = `${process.pid}@${hostname()}`;
const elsewhere = "7@elsewhere";

describe("who listens on a queue", () => {
  it("is also a worker whose slots are all taken: it asks for workflow tasks, and for activities no longer", () => {
    const asksForActivities = { identity: elsewhere, seen: now - 600_000 };
    const asksForWorkflowTasks = { identity: elsewhere, seen: now - 60_000 };
    expect(listening([asksForActivities, asksForWorkflowTasks], now)).toEqual([elsewhere]);
  });

  it("is not a worker of another host that has asked for nothing in a while", () => {
    expect(listening([{ identity: elsewhere, seen: now - 80_000 }], now)).toEqual([]);
  });

  it("is a worker of this host whose process lives, though the clock was set by hours since it last asked", () => {
    expect(listening([{ identity: worker, seen: now - 36_000_000 }], now)).toEqual([worker]);
  });

  it("is not a worker of this host whose process is gone, however lately it asked; of other hosts nothing better is known", () => {
    const { pid } = spawnSync("true");
    expect(listening([{ identity: `${pid}@${hostname()}`, seen: now }, { identity: elsewhere, seen: now }], now)).toEqual([elsewhere]);
  });

  it("counts each worker once", () => {
    expect(listening([{ identity: worker, seen: now }, { identity: worker, seen: now }], now)).toEqual([worker]);
  });
});
