/** What counts along time, as numbers. */
import { cast, type Dim, iota, less, type Tensor, unsqueeze } from '../../ml/graph/index.js'

/** float32 [batch, 1, time]: 1 within a row's length, 0 beyond. @param lengths int64 [batch]. */
export function timeMask(lengths: Tensor, time: Dim): Tensor {
  return cast(unsqueeze(less(iota(lengths, time), unsqueeze(lengths, 1)), 1), 'float32')
}
