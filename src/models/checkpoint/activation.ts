/** Activation functions by the names that config.json files give them (`hidden_act` and the like). */
import { z } from 'zod'
import {
  gelu,
  geluTanh,
  leakyRelu,
  mul,
  relu,
  sigmoid,
  silu,
  type Tensor,
  tanh,
} from '../../ml/graph/index.js'

export type Activation = (x: Tensor) => Tensor

const activations: Readonly<Record<string, Activation>> = {
  gelu,
  gelu_python: gelu,
  gelu_fast: geluTanh,
  quick_gelu: (x) => mul(x, sigmoid(mul(x, 1.702))),
  leaky_relu: (x) => leakyRelu(x, 0.01),
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  swish: silu,
  sigmoid,
  tanh,
}

/** For a configuration's schema: from the name to the function. */
export const activation = z
  .string()
  .refine((name) => Object.hasOwn(activations, name), { error: 'is no activation that is known here' })
  .transform((name): Activation => activations[name] ?? gelu)
