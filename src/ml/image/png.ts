/**
 * PNG (W3C Recommendation, third edition, 2025): every colour type and bit depth, interlaced or not, checked by its
 * CRCs. Alpha and transparency are dropped, samples of 16 bits keep their upper eight, as conversion to RGB has it.
 */
import { crc32, inflateSync } from 'node:zlib'
import { badImage, checkImageSize, type Image } from './image.js'
import { deinterlace, unfilter } from './png-rows.js'

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte)

/** Samples a pixel by colour type (section 11.2.1), and the bit depths that each may have. */
const COLOURS: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
}
const PALETTE = 3

export interface PngHeader {
  readonly width: number
  readonly height: number
  /** Bits a sample. */
  readonly depth: number
  readonly colour: number
  /** Samples a pixel. */
  readonly samples: number
  readonly interlaced: boolean
}

/** @throws UserError for a file that is damaged or too large. */
export function decodePng(bytes: Uint8Array): Image {
  if (!isPng(bytes)) throw badImage('PNG', 'it does not begin as one')
  let header: PngHeader | undefined
  let palette: Uint8Array | undefined
  const compressed: Uint8Array[] = []
  for (const { type, data } of chunksOf(bytes)) {
    if (header === undefined) header = readHeader(type, data)
    else if (type === 'PLTE') palette = data
    else if (type === 'IDAT') compressed.push(data)
    // An upper-case first letter: a chunk that cannot be left out (section 5.4).
    else if (type !== 'IEND' && /^[A-Z]/.test(type))
      throw badImage('PNG', 'it holds an unknown critical chunk')
  }
  if (header === undefined) throw badImage('PNG', 'it ends before its header')
  const rows = deinterlace(unfilter(inflate(compressed, header), header), header)
  return { width: header.width, height: header.height, data: toRgb(rows, header, palette) }
}

/** Chunks up to IEND. @throws UserError for one that is cut short or whose CRC is wrong. */
function* chunksOf(bytes: Uint8Array): Generator<{ readonly type: string; readonly data: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = SIGNATURE.length; ; ) {
    if (at + 12 > bytes.length) throw badImage('PNG', 'it ends before its last chunk')
    const length = view.getUint32(at)
    const end = at + 8 + length
    if (end + 4 > bytes.length) throw badImage('PNG', 'a chunk reaches beyond its end')
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1')
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end))
      throw badImage('PNG', 'a checksum is wrong')
    yield { type, data: bytes.subarray(at + 8, end) }
    if (type === 'IEND') return
    at = end + 4
  }
}

function readHeader(type: string, data: Uint8Array): PngHeader {
  if (type !== 'IHDR' || data.length !== 13) throw badImage('PNG', 'its header is missing')
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const width = view.getUint32(0)
  const height = view.getUint32(4)
  const [depth = 0, colour = 0, compression, filter, interlace = 0] = data.subarray(8)
  const kind = COLOURS[colour]
  if (kind?.depths.includes(depth) !== true || compression !== 0 || filter !== 0 || interlace > 1)
    throw badImage('PNG', 'its header holds values that do not exist')
  checkImageSize('PNG', width, height)
  return { width, height, depth, colour, samples: kind.samples, interlaced: interlace === 1 }
}

/** The most that the filtered rows can take: a byte more a row, in each of seven passes. */
function inflate(
  compressed: readonly Uint8Array[],
  { width, height, depth, samples }: PngHeader,
): Uint8Array {
  const most = Math.ceil((width * depth * samples) / 8 + 2) * (2 * height + 8)
  try {
    return inflateSync(Buffer.concat(compressed), { maxOutputLength: most })
  } catch {
    throw badImage('PNG', 'its pixels cannot be unpacked')
  }
}

/** @param rows samples of whole pixels, [height, width, samples], 16-bit ones cut to eight. */
function toRgb(rows: Uint8Array, header: PngHeader, palette: Uint8Array | undefined): Uint8Array {
  const { width, height, colour, samples, depth } = header
  const rgb = new Uint8Array(width * height * 3)
  if (colour === PALETTE && (palette === undefined || palette.length % 3 !== 0))
    throw badImage('PNG', 'its palette is missing')
  const isGrey = samples < 3
  // Grey of few bits is spread over 0 to 255: 1 bit is 0 or 255.
  const factor = colour === PALETTE || depth >= 8 ? 1 : 255 / (2 ** depth - 1)
  for (let pixel = 0; pixel < width * height; pixel++) {
    const first = rows[pixel * samples] ?? 0
    for (let channel = 0; channel < 3; channel++)
      rgb[3 * pixel + channel] =
        palette !== undefined && colour === PALETTE
          ? // A number beyond the palette is black, as viewers show it.
            (palette[3 * first + channel] ?? 0)
          : isGrey
            ? first * factor
            : (rows[pixel * samples + channel] ?? 0)
  }
  return rgb
}
