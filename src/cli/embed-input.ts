/** What `plumbline embed` was given: a sound, an image or a text, by what the file holds; or words, where it is none. */
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { EmbedInput } from '../inference/catalogue/card.js'
import type { Sound } from '../inference/local/sound.js'
import { readSound } from './model-options.js'
import { quoted } from './option.js'

export interface Given {
  readonly kind: EmbedInput
  readonly content: Sound | string | Uint8Array
  /** Of a sound. */
  readonly seconds?: number
}

/** Formats tell themselves apart by then. */
const HEAD_BYTES = 16

/**
 * @param argument a path or the text itself
 * @param isText whether it is the text even where a file is called so
 * @throws UserError for a file that is missing, too large or of no kind that is known here
 */
export async function readGiven(argument: string, isText: boolean): Promise<Given> {
  if (isText) return { kind: 'text', content: argument }
  const path = expandPath(argument)
  const { stat } = await import('node:fs/promises')
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined) return readFileGiven(path)
  if (!looksLikePath(argument)) return { kind: 'text', content: argument }
  throw new UserError(`there is no file ${quoted(argument)}`, {
    code: 'NOT_FOUND',
    remedy: 'check the path, or embed these words themselves with --text',
    exitStatus: 2,
  })
}

async function readFileGiven(path: string): Promise<Given> {
  const { FileSource } = await import('../ml/files/byte-source.js')
  const { isImage, MAX_IMAGE_BYTES } = await import('../ml/image/index.js')
  const { isSound } = await import('../ml/audio/decode.js')
  const { MAX_TEXT_BYTES } = await import('../models/embedding/text.js')
  const source = await FileSource.open(path)
  try {
    const head = await source.read(0, Math.min(source.size, HEAD_BYTES))
    if (isSound(head)) {
      const { samples, sampleRate, seconds } = await readSound(path)
      return { kind: 'sound', content: { samples, sampleRate }, seconds }
    }
    const kind = isImage(head) ? 'image' : 'text'
    const most = kind === 'image' ? MAX_IMAGE_BYTES : MAX_TEXT_BYTES
    if (source.size > most) {
      const isBinary = kind === 'text' && textOf(head) === undefined
      throw isBinary ? unknownKind(path) : tooLarge(path, kind, most)
    }
    const bytes = await source.read(0, source.size)
    if (kind === 'image') return { kind, content: bytes }
    const text = textOf(bytes)
    if (text === undefined) throw unknownKind(path)
    return { kind, content: text }
  } finally {
    await source.close()
  }
}

/** Undefined for what is not UTF-8 text. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    // A piece of a file may end within a character.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

/** One word with a separator or an ending: more likely a file that is missing than something to embed. */
const looksLikePath = (argument: string): boolean =>
  !/\s/.test(argument) && (/[/\\]/.test(argument) || /\.[a-z0-9]{2,5}$/i.test(argument))

const unknownKind = (path: string): UserError =>
  new UserError(`${path} is no sound, image or text that can be read here`, {
    code: 'BAD_ARGUMENT',
    remedy: 'give WAV, FLAC, Ogg, Opus, MP3, PNG, JPEG or UTF-8 text',
  })

const tooLarge = (path: string, kind: EmbedInput, most: number): UserError =>
  new UserError(`${path} is too large for ${kind === 'text' ? 'a text' : 'an image'}`, {
    code: 'BAD_ARGUMENT',
    remedy: `give at most ${most} bytes`,
  })
