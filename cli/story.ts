import { counted, fewNames } from "../foundation/text.js";
import type { LedgerEvent } from "../schemas/events.js";
import { duration, moment, number, size } from "./output.js";

/** An event in words. */
export function story(event: LedgerEvent): string {
  switch (event.type) {
    case "run-submitted":
      return `${event.actor} submitted ${event.name} from ${event.specPath} (spec ${event.specDigest.slice(0, 12)}, Trueline ${event.versions.trueline ?? "?"})${limit(event.only)}`;
    case "run-resumed": {
      const { plan, only } = event;
      const edit = plan === undefined ? "" : `, with ${plan.specPath} as it is now (spec ${plan.specDigest.slice(0, 12)}): ${plan.changes.join("; ") || "no change"}`;
      return `${event.actor} resumed the run, which was ${event.found}: attempt ${event.attempt}${limit(only)}${edit}${because(event)}`;
    }
    case "stage-set-aside": {
      const what = [
        ...(event.artifact === undefined ? [] : [`artifact ${event.artifact.slice(0, 12)}`]),
        ...(event.checkpoint === undefined ? [] : [`the checkpoint of step ${event.checkpoint}`]),
      ];
      return `${event.stage}: ${event.actor} set aside ${what.join(" and ") || "its result"}, to compute it anew${because(event)}`;
    }
    case "stage-started": {
      const { environment, resumedFrom, worker, differs } = event;
      const where = environment === undefined ? "" : ` with ${environment.backend} on ${environment.device}, ${environment.threads} threads`;
      const from = resumedFrom === undefined ? "" : `, from step ${resumedFrom}`;
      const change = differs === undefined ? "" : `; other than at the checkpoint: ${differs.join(", ")}, so the bytes may differ`;
      const before = event.before === undefined ? ""
        : `, in place of attempt ${event.before.attempt} in process ${event.before.pid} of ${event.before.host}, which never told its end; last seen ${moment(event.before.seen)}`;
      const overrides = event.overrides === undefined ? "" : `, with ${JSON.stringify(event.overrides)} since its rollback`;
      return `${event.stage}: attempt ${event.attempt} started in process ${worker.pid} of ${worker.host}${where}${from}${before}${change}${overrides}`;
    }
    case "stage-reused": return `${event.stage}: result of run ${event.from} reused (artifact ${event.artifact.slice(0, 12)})`;
    case "checkpoint-saved": return `${event.stage}: checkpoint after step ${event.step} saved (${size(event.bytes)})`;
    case "checkpoint-skipped": return `${event.stage}: checkpoint of step ${event.step} passed over: ${event.reason}`;
    case "stage-stopped":
      return `${event.stage}: stopped (${event.cause})${event.checkpoint === undefined ? "" : `, checkpoint after step ${event.checkpoint}`}`;
    case "stage-failed":
      return `${event.stage}: ${event.attempt === undefined ? "" : `attempt ${event.attempt} `}failed, ${event.retry ? "to be tried again" : "for good"}: ${event.failure.code} ${event.failure.message}`;
    case "stage-finished": {
      const figures = Object.entries(event.figures).slice(0, 4).map(([name, value]) => `${name} ${number(value)}`);
      return `${event.stage}: finished in ${duration(event.seconds)} (artifact ${event.artifact.slice(0, 12)})${figures.length === 0 ? "" : `: ${figures.join(", ")}`}`;
    }
    case "stage-held":
      return `${event.stage}: waits after step ${event.step} for the other variants; ${event.metric} is ${event.value === undefined ? "not a number" : number(event.value)}`;
    case "sweep-halved": {
      const told = (variants: typeof event.kept) => fewNames(variants.map(({ variant, value }) => `${variant}${value === undefined ? "" : ` (${number(value)})`}`), 8);
      return `${event.of}: all variants have come to step ${event.step}; by ${event.metric} ${told(event.kept)} ${event.kept.length === 1 ? "goes" : "go"} on, stopped early: ${told(event.ended) || "none"}`;
    }
    case "guard-breached": {
      const then = { note: "training goes on", stop: "the stage stops", ask: "somebody has to decide", "roll-back": "training goes back" }[event.then];
      return `${event.stage}: guard ${event.guard}: ${event.metric} is ${event.value === undefined ? "not a number" : number(event.value)} after step ${event.step}, ${event.bound}; ${then}`;
    }
    case "stage-rolled-back":
      return `${event.stage}: back from step ${event.from} to step ${event.to} by guard ${event.guard}, and on with ${JSON.stringify(event.change)}`;
    case "approval-asked":
      return `${event.stage}: waits for approval (${event.gate}): ${event.question}${event.until === undefined ? "" : ` Until ${moment(event.until)}.`}`;
    case "approval-answered": return `${event.stage}: ${event.actor} ${event.decision} ${event.gate}${because(event)}`;
    case "pause-requested": return `${event.actor} asked for the run to be paused${because(event)}`;
    case "unpause-requested": return `${event.actor} ended the pause${because(event)}`;
    case "retry-requested": return `${event.stage}: ${event.actor} asked for another try${because(event)}`;
    case "deadline-passed": return `${event.stage === undefined ? "the run's" : `${event.stage}: its`} deadline of ${duration(event.seconds)} passed`;
    case "notification-sent": return `${event.host} was told: ${event.occasion}`;
    case "notification-failed": return `${event.host} could not be told of ${event.occasion}: ${event.message}`;
    case "artifact-removed":
      return `${event.stage}: ${event.actor} removed artifact ${event.artifact.slice(0, 12)} from the store (${size(event.bytes)})${because(event)}`;
    case "votes-imported": return `${event.actor} imported ${counted(event.votes.length, "vote")} on ${event.stage}${because(event)}`;
    case "pinned": return `${event.actor} pinned ${event.stage ?? "the run"}: gc leaves it alone${because(event)}`;
    case "unpinned": return `${event.actor} took the pin from ${event.stage ?? "the run"}${because(event)}`;
    case "cancel-requested": return `${event.actor} asked for the run to be cancelled${because(event)}`;
    case "run-paused": return event.until === undefined ? "the run is paused" : `the run is paused: it was to go as far as ${event.until}`;
    case "run-cancelled": return "the run was cancelled";
    case "run-failed": return `the run failed: ${event.failures.map(({ stage, code }) => `${stage} (${code})`).join(", ")}`;
    case "run-finished": return "the run finished";
  }
}

function limit(only: readonly string[] | undefined): string {
  return only === undefined ? "" : `, for ${only.join(", ")} alone`;
}

function because({ reason }: { readonly reason?: string | undefined }): string {
  return reason === undefined ? "" : `, because: ${reason}`;
}
