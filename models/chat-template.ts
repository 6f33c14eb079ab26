import { Template } from "@huggingface/jinja";
import { bounded } from "../foundation/bounded.js";
import { TruelineError } from "../foundation/errors.js";

/** One turn of a dialogue, as templates see it. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** The template of tokenizers that Trueline trains: role token, content, end token. */
export const rolesTemplate = "{% for message in messages %}"
  + "{% if message['role'] not in ['system', 'user', 'assistant'] %}{{ raise_exception('Roles are system, user and assistant.') }}{% endif %}"
  + "{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
  + "{% endfor %}"
  + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/**
 * The template of a directory that has none: transcripts as in HH-RLHF, with the tokenizer's end token, if it has one,
 * after each answer. A system message comes first, without a name.
 */
export const defaultTemplate = "{% for message in messages %}"
  + "{% if message['role'] == 'system' %}{{ message['content'] }}"
  + "{% elif message['role'] == 'user' %}{{ '\\n\\nHuman: ' + message['content'] }}"
  + "{% elif message['role'] == 'assistant' %}{{ '\\n\\nAssistant: ' + message['content'] + (eos_token or '') }}"
  + "{% else %}{{ raise_exception('Roles are system, user and assistant.') }}{% endif %}"
  + "{% endfor %}"
  + "{% if add_generation_prompt %}{{ '\\n\\nAssistant:' }}{% endif %}";

/** A template renders in less than a millisecond; one that takes this long would take for ever. */
const renderMilliseconds = 1500;
/** Numbers that a template may ask `range` for. */
const longestRange = 100_000;

/**
 * Comes before a template's statements: a `range` that makes no list which fills the memory, and no `strftime_now`, for a text
 * that depends on the day would give other tokens when a run is resumed. Templates that look whether it is there have a date of their own.
 */
const prelude = new Template("{% set range = bounded_range %}{% set strftime_now = no_clock %}").parsed.body;

/** `range` of Jinja, with its length bounded. */
function boundedRange(...given: readonly unknown[]): number[] {
  const numbers = given.filter((value) => typeof value === "number");
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 1];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= longestRange)) throw new Error(`range() of more than ${longestRange} numbers`);
  return Array.from({ length }, (_, index) => start + index * step);
}

/** A chat template in Jinja, ready to render. */
export class ChatTemplate {
  private readonly template: Template;
  private readonly usesClock: boolean;

  /**
   * @param where file that messages name.
   * @param names `bos_token`, `eos_token` and the like, for the template to use.
   * @throws TL_CHAT_TEMPLATE when the source is no Jinja.
   */
  constructor(source: string, private readonly where: string, private readonly names: Readonly<Record<string, string | undefined>>) {
    this.usesClock = /\bstrftime_now\s*\(/.test(source);
    try {
      this.template = bounded(renderMilliseconds, () => new Template(source));
      this.template.parsed.body.unshift(...prelude);
    } catch (error) {
      throw this.fault(error, "It is Jinja, as transformers has it.");
    }
  }

  /** @throws TL_CHAT_TEMPLATE with what the template itself says, such as that roles must alternate. */
  render(messages: readonly ChatMessage[], generationPrompt: boolean): string {
    try {
      return bounded(renderMilliseconds, () => this.template.render({
        ...this.names,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: generationPrompt,
        tools: null,
        documents: null,
        bounded_range: boundedRange,
      }));
    } catch (error) {
      if (this.usesClock) throw this.fault(error, "It asks strftime_now for today's date, and its text would change from day to day: write a date into the template.");
      throw this.fault(error, `The messages' roles were: ${messages.map(({ role }) => role).join(", ") || "none"}.`);
    }
  }

  /**
   * The dialogue's text in parts whose sum is the whole: what comes before an answer (its prompt, generation prompt
   * included), the answer with what the template puts after it, and so on; the last part may be a prompt.
   * @throws TL_CHAT_TEMPLATE_PREFIX when the text up to a turn is no prefix of the whole.
   */
  parts(messages: readonly ChatMessage[]): readonly { readonly text: string; readonly answer: boolean }[] {
    const whole = this.render(messages, false);
    const parts: { text: string; answer: boolean }[] = [];
    let done = 0;
    const take = (prefix: string, answer: boolean, turn: number) => {
      if (prefix.length < done || !whole.startsWith(prefix)) {
        throw new TruelineError("TL_CHAT_TEMPLATE_PREFIX",
          `${this.where}: the text up to ${answer ? "the end" : "the start"} of the answer in turn ${turn + 1} is not how the whole dialogue's text begins`, {
            hint: "The template changes earlier turns when later ones follow, or has another generation prompt than its answers begin with; such a template can't be trained on.",
          });
      }
      if (prefix.length > done) parts.push({ text: whole.slice(done, prefix.length), answer });
      done = prefix.length;
    };
    messages.forEach(({ role }, turn) => {
      if (role !== "assistant") return;
      take(this.render(messages.slice(0, turn), true), false, turn);
      take(turn === messages.length - 1 ? whole : this.render(messages.slice(0, turn + 1), false), true, turn);
    });
    take(whole, false, messages.length - 1);
    return parts;
  }

  private fault(error: unknown, hint: string): TruelineError {
    const reason = error instanceof Error ? error.message : String(error);
    return new TruelineError("TL_CHAT_TEMPLATE", `${this.where}: chat template: ${reason}`, { hint, cause: error });
  }
}
