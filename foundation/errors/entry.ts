/** What a failure means for a retry and for the exit code of a command. */
export interface ErrorEntry {
  /** Exit code of a command that ends with it: 1 failed, 2 usage, 3 not found, 4 conflict, 5 invalid spec. */
  readonly exit: 1 | 2 | 3 | 4 | 5;
  /** True for faults that may pass by themselves (lost worker, full disk that was freed). */
  readonly retry: boolean;
  /** One sentence on what happened, in general, for docs/errors.md. */
  readonly meaning: string;
  /** What the person can do about it, in general, for docs/errors.md. */
  readonly remedy: string;
}
