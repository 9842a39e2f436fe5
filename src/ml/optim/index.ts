/** Optimisers, schedules, clipping, averages. */
export * from './adam.js'
export * from './clip.js'
export * from './ema.js'
export * from './schedules.js'
