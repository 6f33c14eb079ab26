import { appendFile, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { digestOf } from "../canonical.js";
import { makeFolder } from "../files.js";

const lineSchema = z.strictObject({ asked: z.string(), reply: z.json() });

/** How several questions are asked that have no reply yet, each of them once; gives their replies in parts, as they come. */
export type Ask<Question, Reply> = (fresh: readonly Question[]) => readonly { readonly to: readonly Question[]; readonly replies: Promise<readonly Reply[]> }[];

/**
 * What servers have replied, kept in a file line by line as the replies come, so that whoever goes on after a kill asks nothing
 * a second time that was answered. A line that was cut short counts as not written.
 */
export class RememberedReplies {
  /** Replies that are on disk, by the digest of what was asked. */
  private readonly written = new Map<string, unknown>();
  private readonly underWay = new Map<string, Promise<unknown>>();
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
      if (data !== undefined) remembered.written.set(data.asked, data.reply);
    }
    return remembered;
  }

  /** The reply to a question that was asked before, or what `ask` gets, which is on disk before it is given. */
  async reply<Reply>(question: unknown, schema: z.ZodType<Reply>, ask: () => Promise<Reply>): Promise<Reply> {
    const [reply] = await this.replies([question], schema, (to) => [{ to, replies: ask().then((only) => [only]) }]);
    return reply!;
  }

  /** The replies to some questions, each asked once; those of a part are on disk together. */
  async replies<Question, Reply>(questions: readonly Question[], schema: z.ZodType<Reply>, ask: Ask<Question, Reply>): Promise<Reply[]> {
    const digests = new Map(questions.map((question) => [digestOf(question), question]));
    const fresh = [...digests].filter(([asked]) => !this.underWay.has(asked) && !schema.safeParse(this.written.get(asked)).success);
    if (fresh.length > 0) for (const { to, replies } of ask(fresh.map(([, question]) => question))) this.expect(to.map(digestOf), replies);
    await Promise.all([...digests.keys()].map((asked) => this.underWay.get(asked)));
    return questions.map((question) => schema.parse(this.written.get(digestOf(question))));
  }

  /** A question that gets no reply may be asked again. */
  private expect(asked: readonly string[], replies: Promise<readonly unknown[]>): void {
    const known = replies.then(async (come) => {
      await this.keep(asked.map((each, index) => `${JSON.stringify({ asked: each, reply: come[index] })}\n`).join(""));
      asked.forEach((each, index) => this.written.set(each, come[index]));
    }).finally(() => asked.forEach((each) => this.underWay.delete(each)));
    for (const each of asked) this.underWay.set(each, known);
  }

  /** Some lines after others: what is written at once could mingle. */
  private keep(lines: string): Promise<unknown> {
    const { path } = this;
    if (path === undefined) return Promise.resolve();
    const first = this.writing;
    this.writing = first.catch(() => undefined).then(async () => {
      await makeFolder(dirname(path));
      await appendFile(path, this.start + lines, { flush: true });
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
