import type { ObservedRun, ObservedStage } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { duration, table, type Output } from "./output.js";

/** A run as one JSON object, for `run`, `status`, `watch` and `resume`. */
export function runJson(run: ObservedRun, store: Store): object {
  return {
    id: run.id, name: run.name, state: run.state, attempts: run.attempts, submittedAt: run.submittedAt, endedAt: run.endedAt,
    stages: run.stages.map(({ artifact, ...stage }) => ({
      ...stage, ...(artifact !== undefined && { artifact, directory: store.artifacts.directory(artifact) }),
    })),
    figures: Object.fromEntries(run.stages.flatMap(({ name, figures }) => figures === undefined ? [] : [[name, figures]])),
    unattended: run.unattended,
  };
}

/** A run for people: its stages, how to go on, and where the results are. */
export function runText(run: ObservedRun, store: Store, colors: Output["colors"]): string {
  const rows = run.stages.map((stage) => [stage.name, stage.kind, stateText(stage), timeText(stage), figuresText(stage)]);
  const lines = [
    `${colors.bold(run.id)}  ${run.state}${run.attempts > 1 ? `, attempt ${run.attempts}` : ""}`,
    table(["stage", "kind", "state", "time", ""], rows),
    ...run.stages.flatMap(({ name, failure }) => failure === undefined ? [] : [
      `${colors.red(failure.code)} ${name}: ${failure.message}`,
      ...(failure.hint === undefined ? [] : [`${colors.cyan("hint:")} ${failure.hint}`]),
    ]),
    ...placesOf(run, store), ...adviceOf(run),
  ];
  return lines.join("\n");
}

/** What a running stage says of itself, in one line. */
export function progressText({ progress, state }: ObservedStage): string {
  if (progress === undefined) return state;
  const { phase, step, of, metrics, secondsLeft } = progress;
  const figures = Object.entries(metrics).slice(0, 4).map(([name, value]) => `${name} ${number(value)}`);
  return [phase === "training" || of === 0 ? undefined : phase, of === 0 ? phase : `${step}/${of}`, ...figures,
    secondsLeft === undefined ? undefined : `${duration(secondsLeft)} left`].filter((part) => part !== undefined).join("  ");
}

export function stateText(stage: ObservedStage): string {
  switch (stage.state) {
    case "running": return progressText(stage);
    case "reused": return `reused from ${stage.from}`;
    case "stopped": return stage.checkpoint === undefined ? "stopped" : `stopped at step ${stage.checkpoint}`;
    case "waiting": case "finished": case "failed": return stage.state;
  }
}

function timeText({ seconds }: ObservedStage): string {
  return seconds === undefined ? "" : duration(seconds);
}

function figuresText({ figures = {}, state }: ObservedStage): string {
  if (state === "running") return "";
  return Object.entries(figures).slice(0, 5).map(([name, value]) => `${name} ${number(value)}`).join("  ");
}

/** Where the results are. */
function placesOf(run: ObservedRun, store: Store): string[] {
  if (run.state !== "finished") return [];
  const used = new Set(run.plan.stages.flatMap((stage) => stage.after));
  const last = run.stages.filter(({ name, artifact, kind }) => artifact !== undefined && (kind === "evaluate" || kind === "ppo" || !used.has(name)));
  return last.map(({ name, artifact }) => `${name}: ${store.artifacts.directory(artifact!)}`)
    .concat(`history: trueline history ${run.id}`);
}

function adviceOf(run: ObservedRun): string[] {
  const notes = run.unattended.map((queue) => `Nobody listens on the queue ${queue}: start a worker there with \`trueline worker${queue.endsWith("gpu") ? " --gpus 1" : ""}\`.`);
  switch (run.state) {
    case "interrupted": return [...notes, `Nothing works on it any more. Go on with: trueline resume ${run.id}`];
    case "cancelled": case "failed": return [...notes, `Go on from where it stopped with: trueline resume ${run.id}`];
    case "waiting": case "running": case "finished": return notes;
  }
}

export function number(value: number): string {
  return Number.isInteger(value) ? String(value) : Math.abs(value) >= 0.001 ? value.toPrecision(3) : value.toExponential(1);
}
