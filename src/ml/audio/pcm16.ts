/** Mono samples as 16-bit little-endian integers, which every machine counts and hashes alike. */

const FULL_SCALE = 32_768

/** Rounded to nearest and clipped to full scale; what came from 16-bit integers goes back to the same ones. */
export function pcm16Of(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * samples.length)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < samples.length; i++)
    view.setInt16(
      2 * i,
      Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round((samples[i] ?? 0) * FULL_SCALE))),
      true,
    )
  return bytes
}

/** In [-1, 1). @throws RangeError for half a sample */
export function samplesOfPcm16(bytes: Uint8Array): Float32Array {
  if (bytes.length % 2 !== 0) throw new RangeError(`${bytes.length} bytes are no 16-bit samples`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const samples = new Float32Array(bytes.length / 2)
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / FULL_SCALE
  return samples
}
