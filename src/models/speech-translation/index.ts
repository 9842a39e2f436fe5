/** Speech translation: a wav2vec 2.0 encoder with an mBART decoder. */
export * from './config.js'
export * from './generation-config.js'
export * from './model.js'
export { type Generated, generate } from './search.js'
