/** First values of parameters: each from a generator of its own name, so that order and neighbours change nothing. */
import type { Initial } from '../layers/parameters.js'
import { Random } from './random.js'

export function initialise(target: Float32Array, initial: Initial, seed: number, name: string): void {
  switch (initial.kind) {
    case 'zeros':
      target.fill(0)
      return
    case 'ones':
      target.fill(1)
      return
    case 'constant':
      target.fill(initial.value)
      return
    case 'normal': {
      const random = Random.named(seed, name)
      for (let i = 0; i < target.length; i++) target[i] = random.normal() * initial.deviation
      return
    }
    case 'uniform': {
      const random = Random.named(seed, name)
      for (let i = 0; i < target.length; i++) target[i] = (random.uniform() * 2 - 1) * initial.bound
      return
    }
  }
}
