/** JPEG (ITU-T T.81), baseline and progressive, through jpeg-js: JavaScript without dependencies. */
import { decode } from 'jpeg-js'
import { UserError } from '../../errors.js'
import { printable } from '../files/refuse.js'
import { badImage, checkImageSize, type Image, MAX_PIXELS } from './image.js'

/** What the decoder may hold at once, 14 to 23 bytes a pixel: enough for a camera's 30 megapixels. */
const MAX_DECODER_MIB = 512

export const isJpeg = (bytes: Uint8Array): boolean =>
  bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

/** @throws UserError for a file that is damaged or too large. Turned pictures stay turned: EXIF is not read. */
export function decodeJpeg(bytes: Uint8Array): Image {
  try {
    const { width, height, data } = decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: MAX_PIXELS / 1e6,
      maxMemoryUsageInMB: MAX_DECODER_MIB,
    })
    checkImageSize('JPEG', width, height)
    return { width, height, data }
  } catch (error) {
    if (error instanceof UserError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    if (/maxResolution|maxMemory/.test(reason))
      throw new UserError('the JPEG image is too large to be decoded', {
        code: 'BAD_ARGUMENT',
        remedy: 'scale it down',
      })
    throw badImage('JPEG', printable(reason))
  }
}
