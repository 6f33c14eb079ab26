import { Matrix, type Tape } from "./tape.js";

/** left · rightᵀ (+ bias in every row): [n, k], [m, k], [1, m] → [n, m]. */
export function linear(tape: Tape, left: Matrix, right: Matrix, bias?: Matrix): Matrix {
  const result = new Matrix(left.rows, right.rows);
  for (let i = 0; i < left.rows; i++) {
    const x = left.row(i);
    for (let j = 0; j < right.rows; j++) {
      const w = right.row(j);
      let sum = bias === undefined ? 0 : bias.data[j]!;
      for (let k = 0; k < x.length; k++) sum += x[k]! * w[k]!;
      result.data[i * right.rows + j] = sum;
    }
  }
  tape.record(() => {
    for (let i = 0; i < left.rows; i++) {
      const [x, dx] = [left.row(i), left.gradientRow(i)];
      for (let j = 0; j < right.rows; j++) {
        const [w, dw] = [right.row(j), right.gradientRow(j)];
        const slope = result.gradient[i * right.rows + j]!;
        if (bias !== undefined) bias.gradient[j]! += slope;
        for (let k = 0; k < x.length; k++) {
          dx[k]! += slope * w[k]!;
          dw[k]! += slope * x[k]!;
        }
      }
    }
  });
  return result;
}

export function transpose(tape: Tape, of: Matrix): Matrix {
  const result = new Matrix(of.columns, of.rows);
  for (let i = 0; i < of.rows; i++) {
    for (let j = 0; j < of.columns; j++) result.data[j * of.rows + i] = of.data[i * of.columns + j]!;
  }
  tape.record(() => {
    for (let i = 0; i < of.rows; i++) {
      for (let j = 0; j < of.columns; j++) of.gradient[i * of.columns + j]! += result.gradient[j * of.rows + i]!;
    }
  });
  return result;
}

/** One number from one: result[i] = value(of[i]); `slope` is the derivative at of[i], given of[i] and result[i]. */
export function map(
  tape: Tape, of: Matrix, value: (x: number) => number, slope: (x: number, y: number) => number,
): Matrix {
  const result = new Matrix(of.rows, of.columns, of.data.map(value));
  tape.record(() => {
    of.data.forEach((x, i) => { of.gradient[i]! += result.gradient[i]! * slope(x, result.data[i]!); });
  });
  return result;
}

/** One number from two; `slopes` gives both derivatives. */
export function combine(
  tape: Tape, left: Matrix, right: Matrix,
  value: (x: number, y: number) => number, slopes: (x: number, y: number) => readonly [number, number],
): Matrix {
  const result = new Matrix(left.rows, left.columns, left.data.map((x, i) => value(x, right.data[i]!)));
  tape.record(() => {
    left.data.forEach((x, i) => {
      const [byLeft, byRight] = slopes(x, right.data[i]!);
      left.gradient[i]! += result.gradient[i]! * byLeft;
      right.gradient[i]! += result.gradient[i]! * byRight;
    });
  });
  return result;
}

export const add = (tape: Tape, left: Matrix, right: Matrix): Matrix =>
  combine(tape, left, right, (x, y) => x + y, () => [1, 1]);

export const multiply = (tape: Tape, left: Matrix, right: Matrix): Matrix =>
  combine(tape, left, right, (x, y) => x * y, (x, y) => [y, x]);

/** The elements at flat positions `from`, as a matrix of the given shape; a position may be picked many times. */
export function gather(tape: Tape, of: Matrix, rows: number, columns: number, from: (i: number, j: number) => number): Matrix {
  const result = new Matrix(rows, columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result.data[i * columns + j] = of.data[from(i, j)]!;
  }
  tape.record(() => {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) of.gradient[from(i, j)]! += result.gradient[i * columns + j]!;
    }
  });
  return result;
}

/** A column of `rows` sums: element i of another column counts in sum `to[i]`. */
export function scatterSums(tape: Tape, of: Matrix, rows: number, to: ArrayLike<number>): Matrix {
  const result = new Matrix(rows, 1);
  of.data.forEach((x, i) => { result.data[to[i]!]! += x; });
  tape.record(() => { of.gradient.forEach((_, i) => { of.gradient[i]! += result.gradient[to[i]!]!; }); });
  return result;
}

/** Rows by index: an embedding lookup, or the hidden states of some positions. */
export const gatherRows = (tape: Tape, of: Matrix, indices: ArrayLike<number>): Matrix =>
  gather(tape, of, indices.length, of.columns, (i, j) => indices[i]! * of.columns + j);

export const sliceColumns = (tape: Tape, of: Matrix, start: number, count: number): Matrix =>
  gather(tape, of, of.rows, count, (i, j) => i * of.columns + start + j);

/** The same numbers, row after row, in rows of another width. */
export const reshape = (tape: Tape, of: Matrix, columns: number): Matrix =>
  gather(tape, of, of.data.length / columns, columns, (i, j) => i * columns + j);

/** Matrices of the same width under one another. */
export function stackRows(tape: Tape, parts: readonly Matrix[], columns: number): Matrix {
  const result = new Matrix(parts.reduce((sum, part) => sum + part.rows, 0), columns);
  let offset = 0;
  for (const part of parts) {
    const start = offset;
    result.data.set(part.data, start);
    tape.record(() => { part.data.forEach((_, i) => { part.gradient[i]! += result.gradient[start + i]!; }); });
    offset += part.data.length;
  }
  return result;
}

/** Matrices of the same height side by side. */
export const joinColumns = (tape: Tape, parts: readonly Matrix[]): Matrix =>
  transpose(tape, stackRows(tape, parts.map((part) => transpose(tape, part)), parts[0]!.rows));
