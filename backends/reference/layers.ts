import { Matrix, type Tape } from "./tape.js";

/** x / √(mean(x²) + ε) · weight, row by row. */
export function rmsNorm(tape: Tape, of: Matrix, weight: Matrix, epsilon: number): Matrix {
  const result = new Matrix(of.rows, of.columns);
  const scales = new Float64Array(of.rows);
  for (let i = 0; i < of.rows; i++) {
    const x = of.row(i);
    scales[i] = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + epsilon);
    result.row(i).set(x.map((value, j) => value * scales[i]! * weight.data[j]!));
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      const [x, dx, dy, scale] = [of.row(i), of.gradientRow(i), result.gradientRow(i), scales[i]!];
      let along = 0;
      for (let j = 0; j < x.length; j++) along += dy[j]! * weight.data[j]! * x[j]!;
      for (let j = 0; j < x.length; j++) {
        dx[j]! += scale * (dy[j]! * weight.data[j]! - x[j]! * scale * scale * along / x.length);
        weight.gradient[j]! += dy[j]! * x[j]! * scale;
      }
    }
  });
  return result;
}

/**
 * Rotary position embedding of heads lying side by side, position = row: the halves of each head are rotated against
 * each other (rotate_half in transformers), pair j of head size d by position · θ^(−2j/d).
 */
export function rotate(tape: Tape, of: Matrix, headSize: number, theta: number): Matrix {
  const half = headSize / 2;
  const turn = (from: Float64Array, to: Float64Array, direction: 1 | -1): void => {
    for (let position = 0; position < of.rows; position++) {
      for (let column = 0; column < of.columns; column++) {
        if (column % headSize >= half) continue;
        const angle = direction * position * theta ** (-2 * (column % headSize) / headSize);
        const first = position * of.columns + column;
        const second = first + half;
        to[first]! += from[first]! * Math.cos(angle) - from[second]! * Math.sin(angle);
        to[second]! += from[second]! * Math.cos(angle) + from[first]! * Math.sin(angle);
      }
    }
  };
  const result = new Matrix(of.rows, of.columns);
  turn(of.data, result.data, 1);
  tape.record(() => { turn(result.gradient, of.gradient, -1); });
  return result;
}

/** Softmax over columns 0 … row of a square matrix times `scale`; the columns after are 0. */
export function causalSoftmax(tape: Tape, of: Matrix, scale: number): Matrix {
  const result = new Matrix(of.rows, of.columns);
  for (let i = 0; i < of.rows; i++) {
    const seen = of.row(i).subarray(0, i + 1).map((value) => value * scale);
    const shift = logSumExp(seen);
    result.row(i).set(seen.map((value) => Math.exp(value - shift)));
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      const [y, dy, dx] = [result.row(i), result.gradientRow(i), of.gradientRow(i)];
      let mean = 0;
      for (let j = 0; j <= i; j++) mean += y[j]! * dy[j]!;
      for (let j = 0; j <= i; j++) dx[j]! += scale * y[j]! * (dy[j]! - mean);
    }
  });
  return result;
}

/** log softmax(row · scale), row by row. */
export function logSoftmax(tape: Tape, of: Matrix, scale: number): Matrix {
  const result = new Matrix(of.rows, of.columns);
  for (let i = 0; i < of.rows; i++) {
    const scaled = of.row(i).map((value) => value * scale);
    const shift = logSumExp(scaled);
    result.row(i).set(scaled.map((value) => value - shift));
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      const [y, dy, dx] = [result.row(i), result.gradientRow(i), of.gradientRow(i)];
      const total = dy.reduce((sum, value) => sum + value, 0);
      for (let j = 0; j < y.length; j++) dx[j]! += scale * (dy[j]! - Math.exp(y[j]!) * total);
    }
  });
  return result;
}

/** Entropy in nats of each row of log-probabilities: [n, m] → [n, 1]. */
export function entropyOfRows(tape: Tape, of: Matrix): Matrix {
  const result = new Matrix(of.rows, 1);
  for (let i = 0; i < of.rows; i++) {
    result.data[i] = -of.row(i).reduce((sum, value) => sum + Math.exp(value) * value, 0);
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      const [x, dx, slope] = [of.row(i), of.gradientRow(i), result.gradient[i]!];
      for (let j = 0; j < x.length; j++) dx[j]! -= slope * Math.exp(x[j]!) * (x[j]! + 1);
    }
  });
  return result;
}

/** log Σ exp, without overflow. */
export function logSumExp(values: Float64Array): number {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
