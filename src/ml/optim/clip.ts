/** Gradient clipping by the norm of all gradients together (Pascanu et al. 2013). */

/** PyTorch's guard against a norm of nothing. */
const EPSILON = 1e-6

/** The Euclidean norm, summed in double precision. */
export function norm(values: Float32Array): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += (values[i] as number) ** 2
  return Math.sqrt(total)
}

/** The factor that brings a norm down to `most`: min(1, most / (norm + 1e-6)). */
export const clipFactor = (total: number, most: number): number => Math.min(1, most / (total + EPSILON))
