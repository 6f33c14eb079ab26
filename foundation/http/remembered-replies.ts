import { appendFile, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { digestOf } from "../canonical.js";
import { makeFolder } from "../files.js";

const replySchema = z.strictObject({ text: z.string(), finished: z.boolean() });
const lineSchema = z.strictObject({ asked: z.string(), reply: replySchema });

/** What a model said, and whether it came to an end of its own. */
export type ChatReply = z.output<typeof replySchema>;

/**
 * What servers have replied, kept in a file line by line as the replies come, so that whoever goes on after a kill asks nothing
 * a second time that was answered. A line that was cut short counts as not written.
 */
export class RememberedReplies {
  private readonly replies = new Map<string, Promise<ChatReply>>();
  private writing: Promise<unknown> = Promise.resolve();

  /** @param start what the next line begins with: an end for the one that a kill has cut short. */
  private constructor(private readonly path: string | undefined, private start: "" | "\n") {}

  /** @param path of the file, which need not be there; undefined: replies are kept in memory alone. */
  static async open(path: string | undefined): Promise<RememberedReplies> {
    const text = path === undefined ? "" : await readFile(path, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    });
    const remembered = new RememberedReplies(path, text === "" || text.endsWith("\n") ? "" : "\n");
    for (const line of text.split("\n")) {
      const { data } = lineSchema.safeParse(parsed(line));
      if (data !== undefined) remembered.replies.set(data.asked, Promise.resolve(data.reply));
    }
    return remembered;
  }

  /** The reply to a question that was asked before, or what `ask` gets, which is on disk before it is given. */
  reply(question: unknown, ask: () => Promise<ChatReply>): Promise<ChatReply> {
    const asked = digestOf(question);
    const known = this.replies.get(asked);
    if (known !== undefined) return known;
    const fresh = ask().then(async (reply) => {
      await this.keep(`${JSON.stringify({ asked, reply })}\n`);
      return reply;
    });
    this.replies.set(asked, fresh);
    // A question that got no answer may be asked again.
    fresh.catch(() => this.replies.delete(asked));
    return fresh;
  }

  /** One line after another: two at once could mingle. */
  private keep(line: string): Promise<unknown> {
    const { path } = this;
    if (path === undefined) return Promise.resolve();
    const first = this.writing;
    this.writing = first.catch(() => undefined).then(async () => {
      await makeFolder(dirname(path));
      await appendFile(path, this.start + line, { flush: true });
      this.start = "";
    });
    return this.writing;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
