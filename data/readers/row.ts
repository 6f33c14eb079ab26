import { z } from "zod";
import { RowFault } from "../fault.js";
import type { Message } from "../types.js";

/** What a row of any format comes down to. A prompt ends with a user's turn. */
export type Content =
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "prompt"; readonly prompt: readonly Message[] }
  | { readonly is: "dialogue"; readonly prompt: readonly Message[]; readonly answer: string }
  | { readonly is: "pair"; readonly prompt: readonly Message[]; readonly chosen: string; readonly rejected: string }
  /** `answer` is the index of the right one of the choices. */
  | { readonly is: "question"; readonly question: string; readonly choices: readonly string[]; readonly answer: number };

/** Reads a row's content from its JSON. Throws RowFault. */
export type Reader = (row: unknown) => Content;

const roles = ["system", "user", "assistant"] as const;

const messageSchema = z.object({
  role: z.enum(roles, `a role is one of ${roles.join(", ")}`),
  content: z.string("a message's content is a string"),
});

export const messagesSchema = z.array(messageSchema).min(1, "no messages");

/** A prompt or a whole dialogue, as a string of the user's or as messages. */
export const turnsSchema = z.union([z.string(), messagesSchema], "neither a string nor a list of {role, content} messages");

export type Turns = string | readonly Message[];

/** Parses a row, or says in one sentence what is wrong with which member. */
export function parseRow<Schema extends z.ZodType>(schema: Schema, row: unknown): z.output<Schema> {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const place = issue.path.map(String).join(".");
  throw new RowFault(place === "" ? issue.message : `${place}: ${issue.message}`);
}

/** Whether a row is an object that has a member of this name. */
export function hasMember(row: unknown, name: string): boolean {
  return typeof row === "object" && row !== null && Object.hasOwn(row, name);
}

/** A dialogue's turns as they alternate, counted from the `last` one. A history cut at its start may begin with the assistant. */
export function alternating(turns: readonly string[], last: "user" | "assistant"): readonly Message[] {
  const other = last === "user" ? "assistant" : "user";
  return turns.map((content, turn) => ({ role: (turns.length - 1 - turn) % 2 === 0 ? last : other, content }));
}

/** A whole dialogue that ends with an assistant's turn, as content. Throws RowFault when it ends otherwise. */
export function asDialogue(messages: readonly Message[], member: string): Content {
  const { prompt, answer } = lastAnswer(messages, member);
  return { is: "dialogue", prompt: asPrompt(prompt), answer: asAnswer(answer, `the answer of ${member}`) };
}

/** A prompt as messages. Throws RowFault when it is empty or does not end with a user's turn. */
export function asPrompt(turns: Turns): readonly Message[] {
  const messages: readonly Message[] = typeof turns === "string" ? [{ role: "user", content: turns }] : turns;
  const last = messages.at(-1);
  if (last?.role !== "user") throw new RowFault(`the prompt ends with a turn of ${last?.role ?? "nobody"}, not of the user`);
  if (last.content.trim() === "") throw new RowFault("the prompt is empty");
  return messages;
}

/** An answer's text. Throws RowFault when it is blank. */
export function asAnswer(text: string, member: string): string {
  if (text.trim() === "") throw new RowFault(`${member} is empty`);
  return text;
}

/** A pair whose sides differ. Throws RowFault otherwise. */
export function asPair(prompt: Turns, chosen: string, rejected: string): Content {
  if (chosen === rejected) throw new RowFault("chosen and rejected are the same");
  return { is: "pair", prompt: asPrompt(prompt), chosen: asAnswer(chosen, "chosen"), rejected: asAnswer(rejected, "rejected") };
}

/** A pair from two whole dialogues that differ in their last turn alone. Throws RowFault otherwise. */
export function pairOfDialogues(chosen: readonly Message[], rejected: readonly Message[]): Content {
  const better = lastAnswer(chosen, "chosen");
  const worse = lastAnswer(rejected, "rejected");
  if (!sameTurns(better.prompt, worse.prompt)) throw new RowFault("chosen and rejected differ before their last turn");
  return asPair(better.prompt, better.answer, worse.answer);
}

function sameTurns(some: readonly Message[], others: readonly Message[]): boolean {
  return some.length === others.length && some.every(({ role, content }, turn) => role === others[turn]!.role && content === others[turn]!.content);
}

/** A dialogue's prompt and the assistant's turn that ends it. Throws RowFault when it ends otherwise. */
function lastAnswer(messages: readonly Message[], member: string): { prompt: readonly Message[]; answer: string } {
  const last = messages.at(-1);
  if (last?.role !== "assistant") throw new RowFault(`${member} ends with a turn of ${last?.role ?? "nobody"}, not of the assistant`);
  return { prompt: messages.slice(0, -1), answer: last.content };
}

/** An answer's text, without the prompt it may repeat. Throws RowFault when it is more than one assistant's turn. */
export function answerTo(prompt: Turns, side: Turns, member: string): string {
  if (typeof side === "string") return side;
  const asked: readonly Message[] = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const { prompt: before, answer } = lastAnswer(side, member);
  if (before.length > 0 && !sameTurns(asked, before)) throw new RowFault(`${member} holds turns before its answer that are not the prompt's`);
  return answer;
}
