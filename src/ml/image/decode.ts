/** Reads an image by what its first bytes say: PNG or JPEG. */
import { UserError } from '../../errors.js'
import type { Image } from './image.js'
import { decodeJpeg, isJpeg } from './jpeg.js'
import { decodePng, isPng } from './png.js'

/** 64 megapixels of noise, uncompressed. */
export const MAX_IMAGE_BYTES = 256 * 2 ** 20

/** Whether the bytes begin like an image that can be read here. */
export const isImage = (bytes: Uint8Array): boolean => isPng(bytes) || isJpeg(bytes)

/** @throws UserError where the format is unknown, or the file damaged or too large. */
export function decodeImage(bytes: Uint8Array): Image {
  if (isPng(bytes)) return decodePng(bytes)
  if (isJpeg(bytes)) return decodeJpeg(bytes)
  throw new UserError('not an image that can be read here', {
    code: 'BAD_ARGUMENT',
    remedy: 'convert it to PNG or JPEG',
  })
}
