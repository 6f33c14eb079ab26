// AssemblyScript, compiled by scripts/build-kernels.mjs. Addresses are in bytes, lengths in floats.
// Every sum runs in a fixed order, so equal inputs give equal bits.

/** target[i] += source[i]. */
export function accumulate(target: usize, source: usize, length: i32): void {
  const vectors = length & ~3;
  for (let i = 0; i < vectors; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(target + at, f32x4.add(v128.load(target + at), v128.load(source + at)));
  }
  for (let i = vectors; i < length; i++) {
    const at = (<usize>i) << 2;
    store<f32>(target + at, load<f32>(target + at) + load<f32>(source + at));
  }
}

/** Adds row i of `rows` to row indices[i] of `table`, for i from 0 to count; rows are `width` floats. */
export function scatterRows(table: usize, rows: usize, indices: usize, count: i32, width: i32): void {
  const bytes = (<usize>width) << 2;
  for (let i = 0; i < count; i++) {
    const index = <usize>load<u32>(indices + ((<usize>i) << 2));
    accumulate(table + index * bytes, rows + <usize>i * bytes, width);
  }
}

/** Sum of squares, in float64. */
export function squaredNorm(values: usize, length: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const vectors = length & ~3;
  for (let i = 0; i < vectors; i += 4) {
    const four = v128.load(values + ((<usize>i) << 2));
    const first = f64x2.promote_low_f32x4(four);
    const second = f64x2.promote_low_f32x4(v128.shuffle<f32>(four, four, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (let i = vectors; i < length; i++) {
    const value = <f64>load<f32>(values + ((<usize>i) << 2));
    sum += value * value;
  }
  return sum;
}

/**
 * One AdamW update of a stretch whose length is a multiple of 4. `scale` multiplies the gradient, `keep` is 1 − learning
 * rate × decay, `rate` the learning rate over the first moment's bias correction, `root` the inverse square root of the second's.
 */
export function adamw(
  weights: usize, gradients: usize, firsts: usize, seconds: usize, length: i32,
  scale: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, keep: f32, rate: f32, root: f32, epsilon: f32,
): void {
  const scales = f32x4.splat(scale);
  const betas1 = f32x4.splat(beta1);
  const rests1 = f32x4.splat(rest1);
  const betas2 = f32x4.splat(beta2);
  const rests2 = f32x4.splat(rest2);
  const keeps = f32x4.splat(keep);
  const rates = f32x4.splat(rate);
  const roots = f32x4.splat(root);
  const epsilons = f32x4.splat(epsilon);
  for (let i = 0; i < length; i += 4) {
    const at = (<usize>i) << 2;
    const gradient = f32x4.mul(v128.load(gradients + at), scales);
    const first = f32x4.add(f32x4.mul(v128.load(firsts + at), betas1), f32x4.mul(gradient, rests1));
    const second = f32x4.add(f32x4.mul(v128.load(seconds + at), betas2), f32x4.mul(f32x4.mul(gradient, gradient), rests2));
    v128.store(firsts + at, first);
    v128.store(seconds + at, second);
    const divisor = f32x4.add(f32x4.mul(f32x4.sqrt(second), roots), epsilons);
    const update = f32x4.div(f32x4.mul(first, rates), divisor);
    v128.store(weights + at, f32x4.sub(f32x4.mul(v128.load(weights + at), keeps), update));
  }
}
