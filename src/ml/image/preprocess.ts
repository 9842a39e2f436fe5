/** Images to the input of vision models, as preprocessor_config.json says: resize, crop, rescale, normalise. */
import { z } from 'zod'
import { readJsonObject } from '../files/read-json.js'
import { printable, refuse } from '../files/refuse.js'
import { type Image, MAX_PIXELS } from './image.js'
import { type Resampling, resizeImage } from './resize.js'

/** Both sides, or the shorter one with the other in proportion. */
export type ResizeTo =
  | { readonly kind: 'exact'; readonly height: number; readonly width: number }
  | { readonly kind: 'shortest'; readonly edge: number }

export interface ImageOptions {
  /** Undefined where images stay as large as they are. */
  readonly resize: { readonly to: ResizeTo; readonly how: Resampling } | undefined
  /** The middle that is kept, zeros around where the image is smaller. */
  readonly crop: { readonly height: number; readonly width: number } | undefined
  /** Factor on pixels of 0 to 255; 1 where they stay so. */
  readonly scale: number
  /** For each channel: (x - mean) / deviation after scaling. */
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  /** 1: grey. */
  readonly channels: 1 | 3
}

/** [channels, height, width] in C order. */
export interface PreparedImage {
  readonly values: Float32Array
  readonly height: number
  readonly width: number
}

/** By Pillow's numbers. */
const RESAMPLING: readonly Resampling[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming']

/** No published model takes larger images; more would only cost memory. */
const edge = z.number().int().min(1).max(8192)
const exact = z.object({ height: edge, width: edge })
const numbers = z.union([z.number(), z.array(z.number()).min(1).max(3)])

/** The published defaults are those of BEiT's processor. */
const schema = z.object({
  do_resize: z.boolean().default(true),
  size: z.union([edge, exact, z.object({ shortest_edge: edge })]).default({ height: 256, width: 256 }),
  resample: z
    .number()
    .int()
    .min(0)
    .max(RESAMPLING.length - 1)
    .default(RESAMPLING.indexOf('bicubic')),
  do_center_crop: z.boolean().default(true),
  crop_size: z.union([edge, exact]).default({ height: 224, width: 224 }),
  do_rescale: z.boolean().default(true),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: numbers.default([0.5, 0.5, 0.5]),
  image_std: numbers.default([0.5, 0.5, 0.5]),
})

/** @param path of preprocessor_config.json. @throws UserError where it is missing, or holds what is not known here. */
export async function readImageOptions(path: string, channels: 1 | 3): Promise<ImageOptions> {
  const parsed = schema.safeParse(await readJsonObject(path))
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`)
    throw refuse(path, `describes no image input that is known here: ${printable(faults.join(', '))}`)
  }
  const c = parsed.data
  const perChannel = (values: number | readonly number[], name: string): readonly number[] => {
    const list = typeof values === 'number' ? [values] : values
    if (list.length !== 1 && list.length !== channels)
      throw refuse(path, `${name} has ${list.length} numbers for ${channels} channels`)
    return Array.from({ length: channels }, (_, i) => list[i] ?? list[0] ?? 0)
  }
  const neutral = (value: number): readonly number[] => Array.from({ length: channels }, () => value)
  const deviation = c.do_normalize ? perChannel(c.image_std, 'image_std') : neutral(1)
  if (deviation.some((value) => value === 0)) throw refuse(path, 'image_std is zero')
  return {
    resize: c.do_resize ? { to: resizeTo(c.size), how: RESAMPLING[c.resample] ?? 'bicubic' } : undefined,
    crop: c.do_center_crop ? square(c.crop_size) : undefined,
    scale: c.do_rescale ? c.rescale_factor : 1,
    mean: c.do_normalize ? perChannel(c.image_mean, 'image_mean') : neutral(0),
    deviation,
    channels,
  }
}

type Sides = { readonly height: number; readonly width: number }

const square = (size: number | Sides): Sides =>
  typeof size === 'number' ? { height: size, width: size } : size

const resizeTo = (size: number | Sides | { readonly shortest_edge: number }): ResizeTo =>
  typeof size === 'object' && 'shortest_edge' in size
    ? { kind: 'shortest', edge: size.shortest_edge }
    : { kind: 'exact', ...square(size) }

/** @throws UserError for an image whose resized form would be too large. */
export function prepareImage(image: Image, options: ImageOptions): PreparedImage {
  const { resize, crop, channels, scale, mean, deviation } = options
  const resized = resize === undefined ? image : resizeImage(image, ...sizeOf(image, resize.to), resize.how)
  const { height, width } = crop ?? resized
  const top = Math.floor((resized.height - height) / 2)
  const left = Math.floor((resized.width - width) / 2)
  const values = new Float32Array(channels * height * width)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < channels; channel++) {
        const value = pixelAt(resized, y + top, x + left, channels === 1 ? 'grey' : channel)
        values[(channel * height + y) * width + x] =
          (value * scale - (mean[channel] ?? 0)) / (deviation[channel] ?? 1)
      }
  return { values, height, width }
}

/** @returns [width, height]. */
function sizeOf({ width, height }: Image, to: ResizeTo): readonly [number, number] {
  if (to.kind === 'exact') return [to.width, to.height]
  const long = Math.trunc((to.edge * Math.max(width, height)) / Math.min(width, height))
  if (long * to.edge > MAX_PIXELS)
    throw refuse(`${width} x ${height} pixels`, 'too long and narrow an image', { remedy: 'crop it' })
  return width <= height ? [to.edge, long] : [long, to.edge]
}

/** 0 outside the image. Grey is ITU-R BT.601's luma, in Pillow's rounding. */
function pixelAt({ width, height, data }: Image, y: number, x: number, channel: number | 'grey'): number {
  if (y < 0 || y >= height || x < 0 || x >= width) return 0
  const at = 3 * (y * width + x)
  if (channel !== 'grey') return data[at + channel] ?? 0
  const [red = 0, green = 0, blue = 0] = data.subarray(at, at + 3)
  return (red * 19_595 + green * 38_470 + blue * 7471 + 0x8000) >> 16
}
