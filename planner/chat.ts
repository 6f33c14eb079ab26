import { z } from "zod";
import type { StageSpec } from "../schemas/spec.js";
import type { ChatBaseline, ChatJudge } from "../schemas/stages/evaluate.js";

type Json = z.output<ReturnType<typeof z.json>>;

/** What of an evaluation's servers is part of its key: what is asked, and not how; a judge's name is in the report. */
export function decisiveChats(stage: StageSpec): { readonly judges?: Json; readonly baseline?: Json } {
  if (stage.kind !== "evaluate") return {};
  const { judges, baseline } = stage;
  return {
    ...(judges !== undefined && { judges: judges.map((judge): Json => typeof judge === "string" ? judge : { name: judge.name, chat: decisive(judge.chat) }) }),
    ...(typeof baseline === "object" && "chat" in baseline && { baseline: { chat: decisive(baseline.chat) } }),
  };
}

function decisive({ secret: _, timeout: _timeout, retries: _retries, concurrency: _concurrency, ...rest }: ChatJudge["chat"] | ChatBaseline["chat"]): Json {
  // Members that are undefined are left out.
  return z.json().parse(JSON.parse(JSON.stringify(rest)));
}
