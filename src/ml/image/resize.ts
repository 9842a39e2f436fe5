/**
 * Resizing as image processors of published models do it: a filter that widens where the image shrinks, one axis after
 * the other, with eight-bit pixels between the two passes (Pillow's `Image.resize`). Coefficients are fixed-point
 * numbers, so that results agree to the last bit.
 */
import type { Image } from './image.js'

export type Resampling = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos'

interface Filter {
  /** Beyond this distance, in source pixels where nothing shrinks, a pixel does not count. */
  readonly reach: number
  readonly weight: (x: number) => number
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))
/** The sharpness of bicubic interpolation (Keys 1981); Pillow's choice. */
const KEYS = -0.5

const filters: Readonly<Record<Exclude<Resampling, 'nearest'>, Filter>> = {
  box: { reach: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    reach: 1,
    weight: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: {
    reach: 2,
    weight: (x) => {
      const d = Math.abs(x)
      if (d < 1) return ((KEYS + 2) * d - (KEYS + 3)) * d * d + 1
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * KEYS : 0
    },
  },
  lanczos: { reach: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
}

/** Bits after the point of a coefficient: with eight of a pixel and two to spare they fill 32. */
const FRACTION_BITS = 22

/** For each place of the result: the first source place that counts, and a coefficient for it and those after it. */
interface Taps {
  readonly first: Int32Array
  readonly count: Int32Array
  /** [places, most taps]. */
  readonly coefficients: Int32Array
  readonly stride: number
}

function tapsOf(from: number, to: number, { reach, weight }: Filter): Taps {
  const scale = from / to
  const widened = Math.max(scale, 1)
  const support = reach * widened
  const stride = Math.ceil(support) * 2 + 1
  const first = new Int32Array(to)
  const count = new Int32Array(to)
  const coefficients = new Int32Array(to * stride)
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - support + 0.5))
    const end = Math.min(from, Math.trunc(centre + support + 0.5))
    const weights = Array.from({ length: end - start }, (_, i) =>
      weight((start + i - centre + 0.5) / widened),
    )
    const total = weights.reduce((sum, each) => sum + each, 0)
    weights.forEach((each, i) => {
      const share = (total === 0 ? each : each / total) * 2 ** FRACTION_BITS
      coefficients[place * stride + i] = Math.trunc(share + (share < 0 ? -0.5 : 0.5))
    })
    first[place] = start
    count[place] = end - start
  }
  return { first, count, coefficients, stride }
}

/** One row of taps over pixels `step` bytes apart. @returns the eight-bit sum. */
function weigh(data: Uint8Array, start: number, step: number, taps: Taps, place: number): number {
  let sum = 2 ** (FRACTION_BITS - 1)
  const { coefficients, stride } = taps
  const count = taps.count[place] ?? 0
  for (let i = 0; i < count; i++)
    sum += (data[start + i * step] ?? 0) * (coefficients[place * stride + i] ?? 0)
  return Math.min(255, Math.max(0, sum >> FRACTION_BITS))
}

/** @returns the image at another size. */
export function resizeImage(image: Image, width: number, height: number, how: Resampling): Image {
  if (image.width === width && image.height === height) return image
  if (how === 'nearest') return nearest(image, width, height)
  const wide = width === image.width ? image : acrossRows(image, width, filters[how])
  return height === wide.height ? wide : downColumns(wide, height, filters[how])
}

function acrossRows({ width: from, height, data }: Image, width: number, filter: Filter): Image {
  const taps = tapsOf(from, width, filter)
  const out = new Uint8Array(3 * width * height)
  for (let row = 0; row < height; row++)
    for (let place = 0; place < width; place++) {
      const start = 3 * (row * from + (taps.first[place] ?? 0))
      for (let channel = 0; channel < 3; channel++)
        out[3 * (row * width + place) + channel] = weigh(data, start + channel, 3, taps, place)
    }
  return { width, height, data: out }
}

function downColumns({ width, height: from, data }: Image, height: number, filter: Filter): Image {
  const taps = tapsOf(from, height, filter)
  const row = 3 * width
  const out = new Uint8Array(row * height)
  for (let place = 0; place < height; place++) {
    const start = row * (taps.first[place] ?? 0)
    for (let byte = 0; byte < row; byte++)
      out[place * row + byte] = weigh(data, start + byte, row, taps, place)
  }
  return { width, height, data: out }
}

function nearest(image: Image, width: number, height: number): Image {
  const out = new Uint8Array(3 * width * height)
  for (let row = 0; row < height; row++) {
    const down = Math.floor(((row + 0.5) * image.height) / height)
    for (let column = 0; column < width; column++) {
      const across = Math.floor(((column + 0.5) * image.width) / width)
      const from = 3 * (down * image.width + across)
      out.set(image.data.subarray(from, from + 3), 3 * (row * width + column))
    }
  }
  return { width, height, data: out }
}
