/**
 * 16-bit and 8-bit floats widened to float32 without loss, and float32 narrowed to 16 bits by rounding to
 * nearest, ties to even (IEEE 754-2019 4.3.1). Bit patterns in, bit patterns out, so that NaNs and signed
 * zeros pass through.
 */

const scratch = new DataView(new ArrayBuffer(4))

/** Bits of a float32 value. */
export function bitsOfFloat32(value: number): number {
  scratch.setFloat32(0, value)
  return scratch.getUint32(0)
}

/** A binary float of `exponentBits` + `mantissaBits` + sign, widened to the bits of a float32. */
function widen(bits: number, exponentBits: number, mantissaBits: number): number {
  const sign = ((bits >>> (exponentBits + mantissaBits)) & 1) << 31
  const exponent = (bits >>> mantissaBits) & ((1 << exponentBits) - 1)
  const mantissa = bits & ((1 << mantissaBits) - 1)
  const bias = (1 << (exponentBits - 1)) - 1
  if (exponent === (1 << exponentBits) - 1)
    return (sign | 0x7f800000 | (mantissa << (23 - mantissaBits))) >>> 0
  if (exponent === 0) {
    const magnitude = mantissa * 2 ** (1 - bias - mantissaBits)
    return (sign | bitsOfFloat32(magnitude)) >>> 0
  }
  return (sign | ((exponent - bias + 127) << 23) | (mantissa << (23 - mantissaBits))) >>> 0
}

/** The e4m3 of the OCP 8-bit float note ("fn"): no infinities, one NaN pattern, largest 448. */
function widenE4M3(bits: number): number {
  const sign = (bits >>> 7) << 31
  if ((bits & 0x7f) === 0x7f) return (sign | 0x7fc00000) >>> 0
  const exponent = (bits >>> 3) & 15
  const mantissa = bits & 7
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7)
  return (sign | bitsOfFloat32(magnitude)) >>> 0
}

function table(size: number, widenOne: (bits: number) => number): () => Uint32Array {
  let made: Uint32Array | undefined
  return () => {
    made ??= Uint32Array.from({ length: size }, (_, bits) => widenOne(bits))
    return made
  }
}

/** float32 bits by float16 bits (256 KiB, built at the first use). */
export const float16Table = table(1 << 16, (bits) => widen(bits, 5, 10))
/** float32 bits by float8 e5m2 bits. */
export const float8E5M2Table = table(1 << 8, (bits) => widen(bits, 5, 2))
/** float32 bits by float8 e4m3fn bits. */
export const float8E4M3Table = table(1 << 8, widenE4M3)

/** Bits of the bfloat16 nearest to a float32 given by its bits; NaNs stay NaNs (made quiet). */
export function narrowToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** Bits of the float16 nearest to a float32 given by its bits; overflow becomes infinity. */
export function narrowToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Subnormal: the value in units of 2^-24, ties to even.
    scratch.setUint32(0, magnitude)
    const units = scratch.getFloat32(0) * 2 ** 24
    const floor = Math.floor(units)
    const rest = units - floor
    const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1)
    return sign | (floor + (up ? 1 : 0))
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}
