/** Training: parameters, steps, runs, checkpoints, randomness. */
export * from './cache.js'
export * from './checkpoint.js'
export * from './flat-parameters.js'
export * from './noise.js'
export * from './random.js'
export * from './train-step.js'
export * from './trainer.js'
