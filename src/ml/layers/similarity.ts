/** Cosine similarity. */
import { div, maximum, mul, sqrt, square, sum, type Tensor } from '../graph/index.js'

/** x.z / max(|x| |z|, epsilon) over the last axis, whose size goes. */
export function cosineSimilarity(x: Tensor, z: Tensor, epsilon = 1e-8): Tensor {
  const last = { axes: [-1] }
  const lengths = sqrt(maximum(mul(sum(square(x), last), sum(square(z), last)), epsilon * epsilon))
  return div(sum(mul(x, z), last), lengths)
}
