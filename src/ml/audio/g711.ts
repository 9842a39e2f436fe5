/** A-law and mu-law of ITU-T G.711, a byte a sample, to linear values in [-1, 1). */

/** Full scale of the 16-bit values that the tables give. */
const FULL_SCALE = 32768
const MU_LAW_BIAS = 0x84

function muLaw(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 0x0f) << 3) + MU_LAW_BIAS) << ((bits >> 4) & 7)) - MU_LAW_BIAS
  return (bits & 0x80) !== 0 ? -magnitude : magnitude
}

function aLaw(code: number): number {
  const bits = code ^ 0x55
  const exponent = (bits >> 4) & 7
  const mantissa = (bits & 0x0f) << 4
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1)
  return (bits & 0x80) !== 0 ? magnitude : -magnitude
}

const table = (expand: (code: number) => number): Float32Array =>
  Float32Array.from({ length: 256 }, (_, code) => expand(code) / FULL_SCALE)

/** Linear value of each code. */
export const muLawTable = table(muLaw)
export const aLawTable = table(aLaw)
