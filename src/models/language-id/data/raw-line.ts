/** A spoken line of the game Drascula: samples alone, eight bits without a sign, 11,025 a second. */
export const RAW_LINE_RATE = 11_025
const MIDDLE = 128

/** @returns samples in [-1, 1). */
export const readRawLine = (bytes: Uint8Array): Float32Array =>
  Float32Array.from(bytes, (byte) => (byte - MIDDLE) / MIDDLE)
