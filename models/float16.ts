/** Values of all 65,536 half-precision bit patterns, made on first use. */
let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  const table = new Float32Array(0x10000);
  for (let bits = 0; bits < 0x10000; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
}

/** IEEE half precision to float32; exact. */
export function fromHalf(bits: Uint16Array): Float32Array {
  halves ??= halfTable();
  const result = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) result[index] = halves[bits[index]!]!;
  return result;
}

/** float32 to bfloat16, to the nearest, ties to even. */
export function toBrainFloat(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const word = bits[index]!;
    // Rounding would carry a NaN's payload into infinity.
    result[index] = (word & 0x7fff_ffff) > 0x7f80_0000 ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return result;
}

/** bfloat16 to float32: the upper half of its bits; exact. */
export function fromBrainFloat(bits: Uint16Array): Float32Array {
  const result = new Uint32Array(bits.length);
  for (let index = 0; index < bits.length; index++) result[index] = bits[index]! << 16;
  return new Float32Array(result.buffer);
}
