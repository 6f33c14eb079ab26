import { z } from "zod";
import { TruelineError } from "../errors.js";
import { hostOf } from "../text.js";
import { JsonEndpoint, type EndpointSettings, type EndpointSurroundings } from "./json-endpoint.js";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatSettings extends EndpointSettings {
  /** What the server calls the model. */
  readonly model: string;
  readonly temperature: number;
  /** Tokens that a reply may have at most. */
  readonly maxTokens: number;
}

const replySchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }) })).min(1),
});

/** A model behind an OpenAI-compatible HTTP API; `url` is the whole address, such as https://api.openai.com/v1/chat/completions. */
export class ChatClient {
  private readonly endpoint: JsonEndpoint;

  /** Errors: TL_ENDPOINT_SECRET. */
  constructor(private readonly settings: ChatSettings, surroundings?: EndpointSurroundings) {
    this.endpoint = new JsonEndpoint(settings, surroundings);
  }

  /**
   * The text of the reply to a dialogue. `seed` is for servers that know it.
   * Errors: those of JsonEndpoint.post; TL_ENDPOINT_ANSWER where the answer has no reply in it.
   */
  async complete(messages: readonly ChatMessage[], seed: number): Promise<string> {
    const { model, temperature, maxTokens, url } = this.settings;
    const answer = await this.endpoint.post({ model, messages, temperature, max_tokens: maxTokens, seed });
    const { success, data } = replySchema.safeParse(answer);
    if (!success) {
      throw new TruelineError("TL_ENDPOINT_ANSWER", `${hostOf(url)} answered without a reply: ${JSON.stringify(answer).slice(0, 300)}`, {
        hint: "The address has to be that of a chat-completions API, whose answer holds choices[0].message.content.",
      });
    }
    return data.choices[0]!.message.content ?? "";
  }

  /**
   * What `read` makes of a reply; asked again, with another seed, while it makes nothing of it. `unread` is the last of `attempts` replies
   * of which it made nothing. Errors: as `complete`.
   */
  async ask<Verdict>(
    messages: readonly ChatMessage[], read: (reply: string) => Verdict | undefined,
    { attempts, seed = 0 }: { readonly attempts: number; readonly seed?: number },
  ): Promise<{ readonly verdict: Verdict } | { readonly unread: string }> {
    let reply = "";
    for (let attempt = 0; attempt < attempts; attempt++) {
      reply = await this.complete(messages, seed + attempt);
      const verdict = read(reply);
      if (verdict !== undefined) return { verdict };
    }
    return { unread: reply };
  }
}
