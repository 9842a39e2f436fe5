/** Pixels in memory, and how their readers refuse. */
import { UserError } from '../../errors.js'

/** Eight-bit RGB, [height, width, 3] in C order. */
export interface Image {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** 64 megapixels, 192 MiB: more than cameras make, and little enough to hold. */
export const MAX_PIXELS = 64 * 2 ** 20

/** @throws UserError for an image without pixels, or with too many. */
export function checkImageSize(format: string, width: number, height: number): void {
  if (width < 1 || height < 1) throw badImage(format, `it is ${width} x ${height} pixels large`)
  if (width * height > MAX_PIXELS)
    throw new UserError(`an image of ${width} x ${height} pixels is too large`, {
      code: 'BAD_ARGUMENT',
      remedy: `scale it down to at most ${MAX_PIXELS / 2 ** 20} megapixels`,
    })
}

export function badImage(format: string, fault: string): UserError {
  return new UserError(`the ${format} image is damaged: ${fault}`, {
    code: 'BAD_ARGUMENT',
    remedy: 'save it again, or fetch it again',
  })
}
