/** Images: reading files, and what vision models take. */
export { decodeImage, isImage, MAX_IMAGE_BYTES } from './decode.js'
export { type Image, MAX_PIXELS } from './image.js'
export { type ImageOptions, type PreparedImage, prepareImage, readImageOptions } from './preprocess.js'
export { type Resampling, resizeImage } from './resize.js'
