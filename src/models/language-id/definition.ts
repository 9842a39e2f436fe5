/**
 * The network: log mel energies to phones, the same for all languages. It is the front and the first blocks of the
 * English recogniser, trained on, with other classes. What it attends to is near, so that a phone is heard for itself
 * and not as what a speaker, once recognised, is likely to say.
 */

import type { Tensor } from '../../ml/graph/index.js'
import { linear, type Parameters } from '../../ml/layers/index.js'
import { ASR_SMALL, type AsrSmallConfig, encode } from '../asr-small/definition.js'
import { PHONE_CLASSES } from './phones.js'

export const LANGUAGE_ID: AsrSmallConfig = { ...ASR_SMALL, blocks: 4, classes: PHONE_CLASSES, reach: 12 }

/**
 * CTC scores of phones, not normalised: [batch, outputFrames, PHONE_CLASSES]. Arguments as asr-small's `encode`.
 */
export function phoneLogits(
  p: Parameters,
  features: Tensor,
  lengths: Tensor,
  dropout: (x: Tensor) => Tensor = (x) => x,
): Tensor {
  return linear(p.at('classes'), encode(p, features, lengths, LANGUAGE_ID, dropout), PHONE_CLASSES)
}
