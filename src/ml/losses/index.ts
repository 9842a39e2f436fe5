/** Losses. */
export * from './cross-entropy.js'
export * from './ctc.js'
export * from './gumbel.js'
export * from './smooth-l1.js'
