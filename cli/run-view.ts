import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { judgeName } from "../reports/headline.js";
import { workerLog } from "../temporal/child-worker.js";
import type { ObservedRun, ObservedStage } from "../temporal/observe.js";
import { sweepResults } from "../reports/sweep-results.js";
import { nameOfInput } from "../schemas/plan.js";
import { chatModelOf, firstJudgeOf } from "../schemas/stages/evaluate.js";
import { templatesOf } from "../schemas/sweep.js";
import { gpusOf, gpusText } from "../schemas/task-queue.js";
import type { Store } from "../store/store.js";
import { unattendedText } from "../temporal/attendance.js";
import { duration, moment, number, table, type Output } from "./output.js";
import { removedText } from "./stage-artifact.js";
import { foldCopies, resultsText } from "./sweep-view.js";

/** A run as one JSON object, for `run`, `status`, `watch` and `resume`. */
export function runJson(run: ObservedRun, store: Store): object {
  return {
    id: run.id, name: run.name, state: run.state, attempts: run.attempts, submittedAt: run.submittedAt, endedAt: run.endedAt,
    stages: run.stages.map(({ artifact, ...stage }) => ({
      ...stage, ...(artifact !== undefined && { artifact, directory: store.artifacts.directory(artifact) }),
    })),
    figures: Object.fromEntries(run.stages.flatMap(({ name, figures }) => figures === undefined ? [] : [[name, figures]])),
    unattended: run.unattended, lost: lostStages(run, store),
    ...(run.plan.sweep !== undefined && { sweep: sweepResults(run.plan.sweep, knownOf(run)) }),
  };
}

/** A run for people: its stages, how to go on, and where the results are. */
export function runText(run: ObservedRun, store: Store, colors: Output["colors"]): string {
  const lost = lostStages(run, store);
  const shown = run.stages.map((stage) => ({
    stage, state: lost.some(({ name }) => name === stage.name) ? `lost${stage.checkpoint === undefined ? "" : `, checkpoint after step ${stage.checkpoint}`}` : waitText(run, stage) ?? stateText(stage),
  }));
  const rows = foldCopies(run.plan, shown, ({ stage }) => stage.name, ({ state }) => state).map(({ label, items }) => {
    const [{ stage, state }] = items;
    return [label, stage.kind, state, timeText(items.map((item) => item.stage)), items.length > 1 || isJudged(run, stage) ? "" : figuresText(stage)];
  });
  const lines = [
    `${colors.bold(run.id)}  ${run.state}${run.attempts > 1 ? `, attempt ${run.attempts}` : ""}`,
    table(["stage", "kind", "state", "time", ""], rows),
    ...failuresOf(run, colors),
    ...lost.map(({ name, pid, host, log }) => `${name}: process ${pid} of ${host}, which worked on it, is gone. ${log === undefined ? "It wrote to where it was started." : `Its log: ${log}`}`),
    ...(run.failure === undefined ? [] : [`${colors.red(run.failure.code)} ${run.failure.message}`]),
    ...run.stages.flatMap(skippedTexts), ...verdictsOf(run), ...sweepOf(run), ...placesOf(run, store), ...adviceOf(run),
  ];
  return lines.join("\n");
}

interface LostStage {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  /** Where the worker's log is, if it was one that `run` or `resume` started here. */
  readonly log?: string;
}

/** Stages of an interrupted run that a process worked on and did not end. */
function lostStages(run: ObservedRun, store: Store): LostStage[] {
  if (run.state !== "interrupted") return [];
  return run.stages.flatMap(({ name, state, worker }) => {
    if (state !== "running" || worker === undefined) return [];
    const log = workerLog(store.home, worker.pid);
    return [{ name, ...worker, ...(worker.host === hostname() && existsSync(log) && { log }) }];
  });
}

/** Why a stage that waits is to be tried again. */
export function retryTexts({ name, state, failure }: ObservedStage): string[] {
  return state !== "waiting" || failure === undefined ? [] : [`${name} is tried again: ${failure.code} ${failure.message}`];
}

/** What became of checkpoints that could not be used. */
export function skippedTexts({ name, skipped = [] }: ObservedStage): string[] {
  return skipped.map(({ step, reason }) => `${name}: the checkpoint of step ${step} could not be used: ${reason}. The one before it is, if there is one.`);
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
  if (stage.removed !== undefined) return `${stage.state}; artifact ${removedText(stage.removed)}`;
  switch (stage.state) {
    case "running": return progressText(stage);
    case "reused": return `reused from ${stage.from}`;
    case "stopped": return stage.checkpoint === undefined ? "stopped" : `stopped at step ${stage.checkpoint}`;
    case "asking": return "waits for an answer";
    case "held": return `waits at step ${stage.checkpoint} for the other variants`;
    case "stopped-early": return stage.checkpoint === undefined ? "not run: its variant was stopped early" : `stopped early at step ${stage.checkpoint}`;
    case "waiting": case "finished": case "failed": return stage.state;
  }
}

/** Of copies of a sweep that failed in the same way the first is told. */
function failuresOf({ plan, stages }: ObservedRun, colors: Output["colors"]): string[] {
  const failed = stages.flatMap(({ name, failure }) => failure === undefined ? [] : [{ name, failure }]);
  return foldCopies(plan, failed, ({ name }) => name, ({ failure }) => failure.code).flatMap(({ label, items: [{ failure }] }) => [
    `${colors.red(failure.code)} ${label}: ${failure.message}`, ...(failure.hint === undefined ? [] : [`${colors.cyan("hint:")} ${failure.hint}`]),
  ]);
}

/** Evaluations of a sweep's copies are told by its table. */
function isJudged({ plan }: ObservedRun, { name, kind }: ObservedStage): boolean {
  return kind === "evaluate" && templatesOf(plan.sweep).has(name);
}

const knownOf = ({ stages }: ObservedRun) => stages.map(({ name, kind, state, figures = {} }) => ({ name, kind, state, figures }));

/** The variants of a sweep, as soon as there are results. */
function sweepOf(run: ObservedRun): string[] {
  if (run.plan.sweep === undefined) return [];
  const results = sweepResults(run.plan.sweep, knownOf(run));
  return results.columns.length === 0 ? [] : ["", resultsText(results), ""];
}

/** Whom a stage waits for that could start and needs GPUs: where it goes is decided anew at every look. */
function waitText({ plan, stages, state, unattended }: ObservedRun, stage: ObservedStage): string | undefined {
  const planned = plan.stages.find(({ name }) => name === stage.name);
  const isOpen = (state === "running" || state === "waiting") && stage.state === "waiting" && stage.removed === undefined;
  if (planned === undefined || planned.resources.gpus === 0 || !isOpen) return undefined;
  const isReady = planned.after.every((each) => stages.some(({ name, state: done }) => name === each && (done === "finished" || done === "reused")));
  if (!isReady) return undefined;
  const gpus = gpusText(gpusOf(planned.resources));
  return unattended.includes(planned.taskQueue) ? `waits for a worker with ${gpus}; the next look is within a minute` : `waits for an idle worker with ${gpus}; the next look is within 5 minutes`;
}

function timeText(stages: readonly ObservedStage[]): string {
  const seconds = stages.flatMap((stage) => stage.seconds ?? []);
  return seconds.length === 0 ? "" : duration(seconds.reduce((sum, each) => sum + each, 0));
}

function figuresText({ figures = {}, state }: ObservedStage): string {
  if (state === "running") return "";
  if ("eval/win_rate" in figures) return "";
  return Object.entries(figures).slice(0, 5).map(([name, value]) => `${name} ${number(value)}`).join("  ");
}

/** What evaluations found: who won by which judge, with its interval, and the proxy reward beside it. */
function verdictsOf(run: ObservedRun): string[] {
  return run.stages.filter((stage) => !isJudged(run, stage)).flatMap(({ name, figures = {} }) => {
    const { "eval/win_rate": win, "eval/win_rate_low": low, "eval/win_rate_high": high, "eval/tie_rate": tie, "eval/lose_rate": lose } = figures;
    if (win === undefined || low === undefined || high === undefined || tie === undefined || lose === undefined) return [];
    const scores = (["gold", "proxy"] as const).flatMap((score) => {
      const [ours, theirs] = [figures[`eval/${score}`], figures[`eval/${score}_baseline`]];
      return ours === undefined || theirs === undefined ? [] : [`${score === "gold" ? "gold score" : "proxy reward"} ${number(ours)} against ${number(theirs)}`];
    });
    const { parameters = {} } = run.plan.stages.find((stage) => stage.name === name) ?? {};
    const otherwise = figures["eval/gold"] !== undefined ? "gold" : typeof parameters["reward"] === "object" ? "reward" : "reward-model";
    const judge = judgeName(firstJudgeOf(parameters) ?? otherwise);
    return [
      `${name}: ${sidesOf(run, name)}, judged by ${judge}: wins ${percent(win)} (95 % interval ${percent(low)} to ${percent(high)}), `
      + `ties ${percent(tie)}, loses ${percent(lose)}; ${scores.join(", ")}`,
    ];
  });
}

/** Who was compared, by the names that the spec gives them. */
function sidesOf(run: ObservedRun, evaluation: string): string {
  const { inputs = {}, parameters = {} } = run.plan.stages.find(({ name }) => name === evaluation) ?? {};
  return [nameOfInput(inputs["candidate"], "candidate"), nameOfInput(inputs["baseline"], chatModelOf(parameters) ?? "baseline")].join(" against ");
}

/** Where the results are: the model or the page of every stage that no other stage of the run rests on, and what was evaluated. */
function placesOf(run: ObservedRun, store: Store): string[] {
  if (run.state !== "finished") return [];
  const reports = run.plan.stages.filter(({ output }) => output === "report");
  const used = new Set(run.plan.stages.filter((stage) => !reports.includes(stage)).flatMap((stage) => stage.after));
  const copies = templatesOf(run.plan.sweep);
  const shown = run.plan.stages.filter(({ name }) => !used.has(name) && !copies.has(name));
  const lines = shown.flatMap((stage) => {
    const { artifact, removed } = run.stages.find(({ name }) => name === stage.name) ?? {};
    if (artifact === undefined || removed !== undefined) return [];
    const directory = store.artifacts.directory(artifact);
    return [[stage.name, reports.includes(stage) ? join(directory, "report.html") : directory]];
  });
  const page = run.plan.sweep === undefined ? [] : [["curves", `trueline report ${run.id} --html sweep.html`]];
  return [table(["", ""], [...lines, ...page, ["history", `trueline history ${run.id}`]]).trimStart()];
}

/** What somebody has to decide, and by which commands. */
export function questionsOf({ id, stages }: ObservedRun): string[] {
  return stages.flatMap(({ name, question }) => question === undefined ? [] : [
    `${name} asks: ${question.text}${question.until === undefined ? "" : ` Until ${moment(question.until)} UTC.`}`,
    `  trueline approve ${id} ${question.gate}`,
    `  trueline reject ${id} ${question.gate}`,
  ]);
}

/** Which workers are missing. */
export function unattendedAdvice({ unattended, plan }: ObservedRun): string[] {
  return unattended.map((queue) => unattendedText(queue, plan.stages));
}

function adviceOf(run: ObservedRun): string[] {
  const notes = [...questionsOf(run), ...unattendedAdvice(run)];
  if (run.stages.some(({ removed }) => removed !== undefined)) notes.push(`Make what was removed again with: trueline resume ${run.id}`);
  switch (run.state) {
    case "interrupted": return [...notes, `Nothing works on it any more. Go on with: trueline resume ${run.id}`];
    case "paused": return [...notes, `Go on with: trueline unpause ${run.id}`];
    case "cancelled": case "failed": return [...notes, `Go on from where it stopped with: trueline resume ${run.id}`];
    case "asking": case "waiting": case "running": case "finished": return notes;
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
