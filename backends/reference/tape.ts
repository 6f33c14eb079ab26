/** A matrix of doubles, row-major, with the gradient of the loss by each of its elements. */
export class Matrix {
  private slope: Float64Array | undefined;

  constructor(
    readonly rows: number,
    readonly columns: number,
    readonly data: Float64Array = new Float64Array(rows * columns),
  ) {}

  /** Zero until something is propagated into it. */
  get gradient(): Float64Array {
    return (this.slope ??= new Float64Array(this.data.length));
  }

  /** One row, as a view. */
  row(index: number): Float64Array {
    return this.data.subarray(index * this.columns, (index + 1) * this.columns);
  }

  gradientRow(index: number): Float64Array {
    return this.gradient.subarray(index * this.columns, (index + 1) * this.columns);
  }
}

/**
 * Reverse-mode differentiation: every operation computes its result at once and leaves behind how to carry the
 * result's gradient to its operands; `differentiate` runs these backwards. A tape that does not record only computes.
 */
export class Tape {
  private readonly steps: (() => void)[] = [];

  constructor(private readonly recording: boolean) {}

  record(propagate: () => void): void {
    if (this.recording) this.steps.push(propagate);
  }

  /** Fills the gradients of everything on the tape, from the gradients that the caller has put on its results. */
  differentiate(): void {
    for (let step = this.steps.length - 1; step >= 0; step--) this.steps[step]!();
  }
}
