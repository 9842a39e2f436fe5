/** All differentiation rules, by ONNX operator. */
import type { Rule } from './rule.js'
import { activationRules } from './rules-activation.js'
import { convolutionRules } from './rules-convolution.js'
import { elementwiseRules } from './rules-elementwise.js'
import { layoutRules } from './rules-layout.js'
import { matmulRules } from './rules-matmul.js'
import { normalisationRules } from './rules-normalisation.js'
import { reduceRules } from './rules-reduce.js'

export const rules: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...activationRules,
  ...layoutRules,
  ...reduceRules,
  ...matmulRules,
  ...convolutionRules,
  ...normalisationRules,
}
