import type { Replies } from "../../schemas/report.js";

const none: Replies = { heard: 0, unreadable: 0 };

/** Counts the replies of a judge. */
export class ReplyCount {
  private counted = none;

  readonly heard = (isRead: boolean): void => {
    const { heard, unreadable } = this.counted;
    this.counted = { heard: heard + 1, unreadable: unreadable + (isRead ? 0 : 1) };
  };

  /** Those since the last time. */
  take(): Replies {
    const { counted } = this;
    this.counted = none;
    return counted;
  }
}

/** All replies together; undefined where there is no judge. */
export function sumOf(replies: readonly (Replies | undefined)[]): Replies | undefined {
  const judges = replies.filter((each) => each !== undefined);
  return judges.length === 0 ? undefined : judges.reduce((sum, { heard, unreadable }) => ({ heard: sum.heard + heard, unreadable: sum.unreadable + unreadable }));
}

/** The share of unreadable replies as the figure `name`; none where nobody replied. */
export function unreadableShare(name: string, { heard, unreadable } = none): Record<string, number> {
  return heard === 0 ? {} : { [name]: unreadable / heard };
}
