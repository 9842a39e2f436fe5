/** What models are measured with: the same each time, and of any size. What it says does not change what it costs. */
import { crc32, deflateSync } from 'node:zlib'
import type { Sound } from './sound.js'

const SAMPLE_RATE = 16_000
/** Loud enough to be heard as something. */
const AMPLITUDE = 0.3
const WORD_LETTERS = 5
/** Words of a sentence: a voice speaks sentence by sentence. */
const SENTENCE_WORDS = 12
/** Pixels of a side: what cameras' thumbnails have, and every model scales to its own size. */
const IMAGE_SIDE = 256

/** Numbers in [0, 1), the same each time. */
function generator(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A voice's buzz with noise, rising and falling as syllables do. */
export function soundOf(seconds: number): Sound {
  const random = generator()
  const samples = Float32Array.from({ length: Math.round(seconds * SAMPLE_RATE) }, (_, i) => {
    const t = i / SAMPLE_RATE
    const buzz = Math.sin(2 * Math.PI * 140 * t) + 0.5 * Math.sin(2 * Math.PI * 420 * t)
    return AMPLITUDE * Math.abs(Math.sin(2 * Math.PI * 2 * t)) * (buzz + 2 * random() - 1)
  })
  return { samples, sampleRate: SAMPLE_RATE }
}

/** Sentences of words of these letters. @param characters of the text, at least one */
export function textOf(characters: number, letters: readonly string[]): string {
  const random = generator()
  let text = ''
  for (let word = 1; text.length < characters; word++) {
    for (let i = 0; i < WORD_LETTERS; i++) text += letters[Math.floor(random() * letters.length)] ?? ''
    text += word % SENTENCE_WORDS === 0 ? '.\n' : ' '
  }
  return text.slice(0, characters).trim()
}

export const LATIN: readonly string[] = [...'abcdefghijklmnopqrstuvwxyz']

/** A picture of colours that run into each other, as PNG (W3C, sections 5 and 11). */
export function pngImage(): Uint8Array {
  const row = 1 + 3 * IMAGE_SIDE
  const rows = Buffer.alloc(row * IMAGE_SIDE)
  for (let y = 0; y < IMAGE_SIDE; y++)
    for (let x = 0; x < IMAGE_SIDE; x++) rows.set([x, y, (x * y) >> 8], y * row + 1 + 3 * x)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(IMAGE_SIDE, 0)
  header.writeUInt32BE(IMAGE_SIDE, 4)
  // Eight bits a sample, red, green and blue.
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}
