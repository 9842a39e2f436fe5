/** Sounds, texts and images as vectors. */
export type { Embedder, EmbedderOptions } from './embedder.js'
export { ImageEmbedder } from './image.js'
export { SoundEmbedder } from './sound.js'
export { MAX_TEXT_BYTES, TextEmbedder } from './text.js'
export { normaliseRows, type Rows } from './vectors.js'
