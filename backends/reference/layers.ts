import { type RotaryShape, rotaryFrequencies } from "../../models/rotary.js";
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

/** (x − mean(x)) / √(variance(x) + ε) · weight + bias, row by row. */
export function layerNorm(tape: Tape, of: Matrix, weight: Matrix, bias: Matrix, epsilon: number): Matrix {
  const result = new Matrix(of.rows, of.columns);
  const units: Float64Array[] = [];
  const scales: number[] = [];
  for (let i = 0; i < of.rows; i++) {
    const x = of.row(i);
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length + epsilon);
    const unit = x.map((value) => (value - mean) * scale);
    result.row(i).set(unit.map((value, j) => value * weight.data[j]! + bias.data[j]!));
    units.push(unit);
    scales.push(scale);
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      const [dx, dy, unit] = [of.gradientRow(i), result.gradientRow(i), units[i]!];
      const slopes = dy.map((slope, j) => slope * weight.data[j]!);
      const mean = slopes.reduce((sum, slope) => sum + slope, 0) / slopes.length;
      const along = slopes.reduce((sum, slope, j) => sum + slope * unit[j]!, 0) / slopes.length;
      for (let j = 0; j < unit.length; j++) {
        dx[j]! += scales[i]! * (slopes[j]! - mean - unit[j]! * along);
        weight.gradient[j]! += dy[j]! * unit[j]!;
        bias.gradient[j]! += dy[j]!;
      }
    }
  });
  return result;
}

/**
 * Rotary position embedding of heads lying side by side, position = row: the halves of each head are rotated against
 * each other (rotate_half in transformers), each pair by position · its radians.
 */
export function rotate(tape: Tape, of: Matrix, shape: RotaryShape): Matrix {
  const { headSize } = shape;
  const half = headSize / 2;
  const { radians, magnitude } = rotaryFrequencies(shape);
  const turn = (from: Float64Array, to: Float64Array, direction: 1 | -1): void => {
    for (let position = 0; position < of.rows; position++) {
      for (let column = 0; column < of.columns; column++) {
        if (column % headSize >= half) continue;
        const angle = direction * position * radians[column % headSize]!;
        const [cosine, sine] = [magnitude * Math.cos(angle), magnitude * Math.sin(angle)];
        const first = position * of.columns + column;
        const second = first + half;
        to[first]! += from[first]! * cosine - from[second]! * sine;
        to[second]! += from[second]! * cosine + from[first]! * sine;
      }
    }
  };
  const result = new Matrix(of.rows, of.columns);
  turn(of.data, result.data, 1);
  tape.record(() => { turn(result.gradient, of.gradient, -1); });
  return result;
}

/** Softmax over columns 0 … row of a square matrix times `scale`, the last `window` of these; all others are 0. */
export function causalSoftmax(tape: Tape, of: Matrix, scale: number, window = Infinity): Matrix {
  const result = new Matrix(of.rows, of.columns);
  for (let i = 0; i < of.rows; i++) {
    const first = Math.max(0, i + 1 - window);
    const seen = of.row(i).subarray(first, i + 1).map((value) => value * scale);
    const shift = logSumExp(seen);
    result.row(i).set(seen.map((value) => Math.exp(value - shift)), first);
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
