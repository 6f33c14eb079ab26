import { z } from "zod";
import { TruelineError } from "../errors.js";
import { hostOf } from "../text.js";
import { JsonEndpoint, type EndpointSettings, type EndpointSurroundings } from "./json-endpoint.js";
import type { RememberedReplies } from "./remembered-replies.js";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatSettings extends EndpointSettings {
  /** What the server calls the model. */
  readonly model: string;
  readonly temperature: number;
  /** Default: the server's. */
  readonly topP?: number;
  /** Tokens that a reply may have at most. */
  readonly maxTokens: number;
}

const chatReplySchema = z.strictObject({ text: z.string(), finished: z.boolean() });

/** What a model said, and whether it came to an end of its own. */
export type ChatReply = z.output<typeof chatReplySchema>;

export interface ChatSurroundings extends EndpointSurroundings {
  /** Where replies are kept, and looked for before the server is asked. */
  readonly remembered?: RememberedReplies;
}

const replySchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() })).min(1),
});

/** A model behind an OpenAI-compatible HTTP API; `url` is the whole address, such as https://api.openai.com/v1/chat/completions. */
export class ChatClient {
  private readonly endpoint: JsonEndpoint;

  /** Errors: TL_ENDPOINT_SECRET. */
  constructor(private readonly settings: ChatSettings, private readonly surroundings: ChatSurroundings = {}) {
    this.endpoint = new JsonEndpoint(settings, surroundings);
  }

  /**
   * The text of the reply to a dialogue. `seed` is for servers that know it.
   * Errors: those of JsonEndpoint.post; TL_ENDPOINT_ANSWER where the answer has no reply in it.
   */
  async complete(messages: readonly ChatMessage[], seed: number): Promise<string> {
    return (await this.reply(messages, seed)).text;
  }

  /** The same, and whether the reply came to its end before `maxTokens`. */
  reply(messages: readonly ChatMessage[], seed: number): Promise<ChatReply> {
    const { model, temperature, topP, maxTokens, url } = this.settings;
    const body = { model, messages, temperature, ...(topP !== undefined && { top_p: topP }), max_tokens: maxTokens, seed };
    const ask = () => this.post(body);
    return this.surroundings.remembered?.reply({ url, ...body }, chatReplySchema, ask) ?? ask();
  }

  private async post(body: object): Promise<ChatReply> {
    const { url } = this.settings;
    const answer = await this.endpoint.post(body);
    const { success, data } = replySchema.safeParse(answer);
    if (!success) {
      throw new TruelineError("TL_ENDPOINT_ANSWER", `${hostOf(url)} answered without a reply: ${JSON.stringify(answer).slice(0, 300)}`, {
        hint: "The address has to be that of a chat-completions API, whose answer holds choices[0].message.content.",
      });
    }
    const { message: { content }, finish_reason: reason } = data.choices[0]!;
    return { text: content ?? "", finished: reason !== "length" };
  }

  /**
   * What `read` makes of a reply; asked again, with another seed, while it makes nothing of it. `unread` is the last of `attempts` replies
   * of which it made nothing. `heard` is told of each reply whether something was made of it. Errors: as `complete`.
   */
  async ask<Verdict>(
    messages: readonly ChatMessage[], read: (reply: string) => Verdict | undefined,
    { attempts, seed = 0, heard }: { readonly attempts: number; readonly seed?: number; readonly heard?: (isRead: boolean) => void },
  ): Promise<{ readonly verdict: Verdict } | { readonly unread: string }> {
    let reply = "";
    for (let attempt = 0; attempt < attempts; attempt++) {
      reply = await this.complete(messages, seed + attempt);
      const verdict = read(reply);
      heard?.(verdict !== undefined);
      if (verdict !== undefined) return { verdict };
    }
    return { unread: reply };
  }
}
