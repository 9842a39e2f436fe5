/** A PNG writer of the tests' own: every colour type, depth, predictor and interlacing. */
import { crc32, deflateSync } from 'node:zlib'

export interface PngSource {
  readonly width: number
  readonly height: number
  readonly depth: 1 | 2 | 4 | 8 | 16
  readonly colour: 0 | 2 | 3 | 4 | 6
  readonly interlaced: boolean
  /** [height, width, samples] */
  readonly samples: readonly number[]
  /** Palette, three bytes an entry. */
  readonly palette?: readonly number[]
  /** The predictor of each row in turn. */
  readonly predictors: readonly number[]
}

export const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1')

export function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([bytesOf(type), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

export const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

export function header(width: number, height: number, rest: readonly number[]): Uint8Array {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(width, 0)
  data.writeUInt32BE(height, 4)
  data.set(rest, 8)
  return chunk('IHDR', data)
}

/** The standard's table of the seven passes: the pass of each pixel of an 8 x 8 block. */
const BLOCK = [
  '1 6 4 6 2 6 4 6',
  '7 7 7 7 7 7 7 7',
  '5 6 5 6 5 6 5 6',
  '7 7 7 7 7 7 7 7',
  '3 6 4 6 3 6 4 6',
  '7 7 7 7 7 7 7 7',
  '5 6 5 6 5 6 5 6',
  '7 7 7 7 7 7 7 7',
].map((line) => line.split(' ').map(Number))

export function writePng(source: PngSource): Uint8Array {
  const { width, height, depth, colour, interlaced } = source
  const rows = interlaced
    ? [1, 2, 3, 4, 5, 6, 7].flatMap((pass) => passRows(source, pass))
    : passRows(source, undefined)
  const { palette } = source
  return Buffer.concat([
    signature,
    header(width, height, [depth, colour, 0, 0, interlaced ? 1 : 0]),
    chunk('tEXt', bytesOf('Comment\0of no account')),
    ...(palette === undefined ? [] : [chunk('PLTE', Uint8Array.from(palette))]),
    // In two pieces, as large files have it.
    ...halves(deflateSync(Buffer.concat(rows))).map((each) => chunk('IDAT', each)),
    chunk('IEND', new Uint8Array(0)),
  ])
}

const halves = (bytes: Uint8Array): readonly Uint8Array[] => [
  bytes.subarray(0, bytes.length >> 1),
  bytes.subarray(bytes.length >> 1),
]

function passRows(source: PngSource, pass: number | undefined): Uint8Array[] {
  const { width, height, depth, colour, samples, predictors } = source
  const per = SAMPLES[colour]
  const step = Math.max(1, (depth * per) >> 3)
  const out: Uint8Array[] = []
  let above: Uint8Array | undefined
  for (let y = 0; y < height; y++) {
    const values: number[] = []
    for (let x = 0; x < width; x++)
      if (pass === undefined || BLOCK[y % 8]?.[x % 8] === pass)
        values.push(...samples.slice((y * width + x) * per, (y * width + x + 1) * per))
    if (values.length === 0) continue
    const row = pack(values, depth)
    const predictor = predictors[out.length % predictors.length] ?? 0
    out.push(Uint8Array.of(predictor, ...predicted(row, above, predictor, step)))
    above = row
  }
  return out
}

function pack(values: readonly number[], depth: number): Uint8Array {
  const bits = values.map((value) => value.toString(2).padStart(depth, '0')).join('')
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0')
  return Uint8Array.from(padded.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

function predicted(row: Uint8Array, above: Uint8Array | undefined, predictor: number, step: number) {
  return row.map((value, i) => {
    const a = row[i - step] ?? 0
    const b = above?.[i] ?? 0
    const c = above?.[i - step] ?? 0
    const p = a + b - c
    const nearest = [a, b, c].toSorted((l, r) => Math.abs(p - l) - Math.abs(p - r))[0] ?? 0
    return value - ([0, a, b, Math.floor((a + b) / 2), nearest][predictor] ?? 0)
  })
}
