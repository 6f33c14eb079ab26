import { z } from "zod";
import { durationSchema } from "./stages/common.js";
import { textLike } from "./text.js";

/** Whether an address can be called and holds no password: specs are kept, shown and shared. */
function isPlainAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname, username, password } = new URL(url);
  return hostname !== "" && username === "" && password === "";
}

/** An address that is called; the caller adds what it is for. */
export const addressSchema = textLike(/^https?:\/\/\S+$/, "an address that begins with https:// or http://")
  .refine(isPlainAddress, "`url` is no address with a host, or has a password in it");

/** The address of a chat API, whole: what OpenAI's own libraries call the base, such as https://api.openai.com/v1, answers 404. */
export const chatAddress = addressSchema
  .refine((url) => !URL.canParse(url) || !/^\/(v\d+\/?)?$/.test(new URL(url).pathname), "`url` leads to an API and not to its chat: write the whole address, which mostly ends in `/v1/chat/completions`");

/** The name of a variable that holds a key. */
export const endpointSecret = textLike(/^TRUELINE_SECRET_[A-Z0-9_]+$/, "the name of an environment variable that begins with TRUELINE_SECRET_, in capitals");

/** How a server is asked: fields of every part of a spec that names one. All but `url` change no result and no key. */
export const endpointFields = {
  url: addressSchema,
  secret: endpointSecret.optional()
    .describe("Name of the environment variable, on the workers, that holds the bearer token; it begins with TRUELINE_SECRET_, so that a spec can send no other. Never the secret itself."),
  timeout: durationSchema.default("60s").describe("A request that takes longer is tried again."),
  retries: z.number().int().min(0).max(20).default(6).describe("Further tries of a request that times out, can't connect, or is answered 429 or 5xx; pauses grow from half a second, or are what the server asks for."),
  concurrency: z.number().int().min(1).max(256).default(4).describe("Requests under way at once."),
} as const;
