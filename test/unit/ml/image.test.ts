/** Images: PNG and JPEG against Pillow and against a writer of our own, resizing to the bit, processors' options. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import {
  decodeImage,
  type ImageOptions,
  isImage,
  prepareImage,
  type Resampling,
  readImageOptions,
  resizeImage,
} from '../../../src/ml/image/index.js'
import { randomIntegers, refusalOf, temporaryPath } from './files-support.js'
import { chunk, header, type PngSource, SAMPLES, signature, writePng } from './image-png-writer.js'

const folder = fileURLToPath(new URL('../../fixtures/images/', import.meta.url))
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
  files: Record<string, { width: number; height: number; rgb: string }>
  resized: { width: number; height: number; how: Resampling; rgb: string }[]
}
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)))
const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))

describe('files', () => {
  it.each(Object.entries(expected.files))('%s is read as Pillow reads it', (name, { width, height, rgb }) => {
    const image = decodeImage(fixture(name))
    expect([image.width, image.height]).toEqual([width, height])
    const want = bytesOf(rgb)
    expect(image.data.length).toBe(want.length)
    const worst = image.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (want[i] ?? 0))), 0)
    // Two decoders of JPEG may round differently; PNG is exact.
    expect(worst).toBeLessThanOrEqual(name.endsWith('.jpg') ? 3 : 0)
  })

  it('every kind of PNG there is', () => {
    const kinds = ([0, 2, 3, 4, 6] as const).flatMap((colour) =>
      ([1, 2, 4, 8, 16] as const)
        .filter((depth) => (colour === 0 ? true : colour === 3 ? depth <= 8 : depth >= 8))
        .map((depth) => ({ colour, depth })),
    )
    const sources = fc
      .tuple(
        fc.constantFrom(...kinds),
        fc.integer({ min: 1, max: 19 }),
        fc.integer({ min: 1, max: 19 }),
        fc.boolean(),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
      )
      .map(([{ colour, depth }, width, height, interlaced, predictors, seed]): PngSource => {
        const draw = randomIntegers(seed)
        const samples = Array.from({ length: width * height * SAMPLES[colour] }, () => draw(2 ** depth))
        const palette = Array.from({ length: 3 * 2 ** depth }, () => draw(256))
        const source = { width, height, depth, colour, interlaced, predictors, samples }
        return colour === 3 ? { ...source, palette } : source
      })
    fc.assert(
      fc.property(sources, (source) => {
        expect(decodeImage(writePng(source))).toEqual({
          width: source.width,
          height: source.height,
          data: rgbOf(source),
        })
      }),
      { numRuns: 120 },
    )
  })

  it('what is damaged, too large or of another kind is refused in one line', async () => {
    const whole = fixture('rgb.png')
    const flipped = whole.slice()
    flipped[60] = (flipped[60] ?? 0) ^ 1
    const end = chunk('IEND', new Uint8Array(0))
    const cases: readonly (readonly [Uint8Array, RegExp])[] = [
      [whole.subarray(0, 50), /PNG image is damaged/],
      [flipped, /checksum/],
      [Buffer.concat([signature, header(60_000, 60_000, [8, 2, 0, 0, 0]), end]), /too large/],
      [Buffer.concat([signature, header(0, 4, [8, 2, 0, 0, 0]), end]), /0 x 4 pixels/],
      [Buffer.concat([signature, header(4, 4, [3, 2, 0, 0, 0]), end]), /do not exist/],
      [Buffer.concat([signature, header(4, 4, [8, 2, 0, 0, 0]), end]), /pixels cannot be unpacked/],
      [fixture('photo.jpg').subarray(0, 300), /JPEG image is damaged/],
      [Buffer.from('GIF89a'), /not an image/],
      [new Uint8Array(0), /not an image/],
    ]
    for (const [bytes, reason] of cases) {
      const error = await refusalOf(() => Promise.resolve().then(() => decodeImage(bytes)))
      expect(error.line).toMatch(reason)
      expect(error.line).not.toContain('\n')
    }
  })

  it('any bytes make an image or a UserError', () => {
    const seeds = Object.keys(expected.files).map(fixture)
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 }),
        fc.nat(2000),
        (seed, changes, length) => {
          const bytes = seed.slice(0, Math.max(3, length))
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          try {
            const { width, height, data } = decodeImage(bytes)
            expect(data.length).toBe(3 * width * height)
          } catch (error) {
            expect(error).toBeInstanceOf(UserError)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('damage behind a right checksum, too', () => {
    const random = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(
        random,
        random,
        fc.uint8Array({ minLength: 13, maxLength: 13 }),
        (pixels, palette, head) => {
          // Small sides, so that what follows the header is reached.
          head.set([0, 0, 0, (head[3] ?? 0) % 9, 0, 0, 0, (head[7] ?? 0) % 9])
          const bytes = Buffer.concat([
            signature,
            chunk('IHDR', head),
            chunk('PLTE', palette),
            chunk('IDAT', pixels),
            chunk('IEND', new Uint8Array(0)),
          ])
          expect(isImage(bytes)).toBe(true)
          expect(() => decodeImage(bytes)).toThrow(UserError)
        },
      ),
      { numRuns: 500 },
    )
  })
})

/** What a source means as RGB. */
function rgbOf({ width, height, depth, colour, samples, palette = [] }: PngSource): Uint8Array {
  const eight = (value: number) =>
    depth === 16 ? value >> 8 : colour === 3 ? value : (value * 255) / (2 ** depth - 1)
  const per = SAMPLES[colour]
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const first = Math.floor(i / 3) * per
    if (colour === 3) return palette[3 * (samples[first] ?? 0) + (i % 3)] ?? 0
    return eight(samples[per < 3 ? first : first + (i % 3)] ?? 0)
  })
}

describe('resizing', () => {
  const image = decodeImage(fixture('rgb.png'))
  it.each(expected.resized)(
    '$how to $width x $height, every byte as Pillow',
    ({ width, height, how, rgb }) => {
      expect(resizeImage(image, width, height, how)).toEqual({ width, height, data: bytesOf(rgb) })
    },
  )
})

describe('preparation', () => {
  const options = async (fields: object, channels: 1 | 3 = 3): Promise<ImageOptions> => {
    const path = temporaryPath('preprocessor_config.json')
    writeFileSync(path, JSON.stringify(fields))
    return readImageOptions(path, channels)
  }
  const ramp = { width: 4, height: 3, data: Uint8Array.from({ length: 36 }, (_, i) => i) }
  const plain = { do_resize: false, do_normalize: false, do_rescale: false }

  it('crops the middle, with zeros where there is nothing', async () => {
    const crop = { height: 5, width: 2 }
    const { values, height, width } = prepareImage(ramp, await options({ ...plain, crop_size: crop }))
    expect([height, width]).toEqual([5, 2])
    const reds = [...values.subarray(0, 10)]
    expect(reds).toEqual([0, 0, 3, 6, 15, 18, 27, 30, 0, 0])
  })

  it('rescales, then takes the mean and the deviation of each channel', async () => {
    const fields = {
      do_resize: false,
      do_center_crop: false,
      rescale_factor: 0.5,
      image_mean: [1, 2, 3],
      image_std: [1, 2, 4],
    }
    const { values } = prepareImage(ramp, await options(fields))
    expect([values[0], values[12], values[24]]).toEqual([-1, (0.5 - 2) / 2, (1 - 3) / 4])
  })

  it('keeps the proportions where the shorter side is given', async () => {
    const fields = { ...plain, do_resize: true, do_center_crop: false, size: { shortest_edge: 6 } }
    const { height, width } = prepareImage(ramp, await options(fields))
    expect([height, width]).toEqual([6, 8])
  })

  it('makes grey for a model of one channel', async () => {
    const red = { width: 1, height: 1, data: Uint8Array.of(255, 0, 0) }
    const { values } = prepareImage(red, await options({ ...plain, do_center_crop: false }, 1))
    expect([...values]).toEqual([76])
  })

  it('names what it does not know', async () => {
    const error = await refusalOf(() => options({ size: { longest_edge: 4 }, resample: 9 }))
    expect(error.line).toMatch(/preprocessor_config\.json.*size.*resample/)
    expect((await refusalOf(() => options({ image_mean: [1, 2] }))).line).toMatch(/image_mean has 2 numbers/)
    expect((await refusalOf(() => options({ image_std: [1, 0, 1] }))).line).toMatch(/image_std is zero/)
  })
})
