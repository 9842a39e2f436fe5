/** Reads a sound file by what its first bytes say: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3. */

import { UserError } from '../../errors.js'
import { FileSource } from '../files/byte-source.js'
import { refuse } from '../files/refuse.js'
import { type Audio, badAudio, checkSound } from './audio.js'
import { decodeFlac } from './flac.js'
import { decodeMp3, isMp3 } from './mp3.js'
import { readOgg } from './ogg.js'
import { decodeOpus } from './opus.js'
import { decodeVorbis } from './vorbis.js'
import { readWav } from './wav-read.js'

/** A day of MP3, or an hour and a half of CD-quality WAV. */
const MAX_FILE_BYTES = 1 << 30

/** @throws UserError, naming the file, where it is missing, over 1 GiB, or not to be decoded */
export async function readAudioFile(path: string): Promise<Audio> {
  const source = await FileSource.open(path)
  try {
    if (source.size > MAX_FILE_BYTES)
      throw refuse(path, `has ${source.size} bytes, more than ${MAX_FILE_BYTES}`, { remedy: 'cut it' })
    return await decodeAudio(await source.read(0, source.size))
  } catch (error) {
    if (!(error instanceof UserError) || error.details.file !== undefined) throw error
    throw refuse(path, error.message, {
      code: error.code,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    })
  } finally {
    await source.close()
  }
}

/** Whether the bytes begin like a sound file that can be read here. */
export function isSound(bytes: Uint8Array): boolean {
  const tag = Buffer.from(bytes.subarray(0, 4)).toString('latin1')
  return ['RIFF', 'RIFX', 'RF64', 'fLaC', 'OggS'].includes(tag) || isMp3(bytes)
}

/** @throws UserError where the format is unknown, the file damaged, or its sound none that can be worked with */
export async function decodeAudio(bytes: Uint8Array): Promise<Audio> {
  return checkSound('sound', await decode(bytes))
}

async function decode(bytes: Uint8Array): Promise<Audio> {
  const tag = Buffer.from(bytes.subarray(0, 4)).toString('latin1')
  if (tag === 'RIFF' || tag === 'RIFX' || tag === 'RF64') return readWav(bytes)
  if (tag === 'fLaC') return decodeFlac(bytes)
  if (tag === 'OggS') return decodeOgg(bytes)
  if (isMp3(bytes)) return decodeMp3(bytes)
  if (bytes.length === 0) throw new UserError('is empty', { code: 'BAD_ARGUMENT', remedy: 'record it again' })
  throw new UserError('not a sound file that can be read here', {
    code: 'BAD_ARGUMENT',
    remedy: 'convert it to WAV, FLAC, Ogg, Opus or MP3',
  })
}

async function decodeOgg(bytes: Uint8Array): Promise<Audio> {
  const stream = readOgg(bytes)
  const head = Buffer.from((stream.packets[0] ?? new Uint8Array(0)).subarray(0, 8)).toString('latin1')
  if (head === 'OpusHead') return decodeOpus(stream)
  if (head.startsWith('\x01vorbis')) return decodeVorbis(bytes, stream)
  throw badAudio('Ogg', 'it holds neither Vorbis nor Opus')
}
