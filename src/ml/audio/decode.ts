/** Reads a sound file by what its first bytes say: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3. */

import { UserError } from '../../errors.js'
import { FileSource } from '../files/byte-source.js'
import { refuse } from '../files/refuse.js'
import { type Audio, badAudio, checkSound, concatenate, type TakeSound, toMono } from './audio.js'
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
  const pieces: Audio[] = []
  await decode(bytes, (piece) => pieces.push(checkSound('sound', piece)))
  const [first] = pieces
  if (first === undefined) throw badAudio('sound', 'it holds no sound')
  if (pieces.length === 1) return first
  return { sampleRate: first.sampleRate, channels: concatenate(pieces.map(({ channels }) => channels)) }
}

/**
 * As {@link decodeAudio}, in one channel: mixed down as it is decoded, so that half an hour of stereo need not be held.
 * @param check told how many seconds there are so far; what it throws ends the decoding
 */
export async function decodeMono(
  bytes: Uint8Array,
  check: (seconds: number) => void = () => {},
): Promise<{ readonly sampleRate: number; readonly samples: Float32Array }> {
  const pieces: Float32Array[] = []
  let sampleRate = 0
  let length = 0
  await decode(bytes, (piece) => {
    const mono = toMono(checkSound('sound', piece))
    sampleRate ||= piece.sampleRate
    if (piece.sampleRate !== sampleRate) throw badAudio('sound', 'its sample rate changes')
    length += mono.length
    check(length / sampleRate)
    pieces.push(mono)
  })
  const [samples = new Float32Array(0)] = concatenate(pieces.splice(0).map((piece) => [piece]))
  return { sampleRate, samples }
}

async function decode(bytes: Uint8Array, take: TakeSound): Promise<void> {
  const tag = Buffer.from(bytes.subarray(0, 4)).toString('latin1')
  if (tag === 'RIFF' || tag === 'RIFX' || tag === 'RF64') return take(readWav(bytes))
  if (tag === 'fLaC') return decodeFlac(bytes, take)
  if (tag === 'OggS') return decodeOgg(bytes, take)
  if (isMp3(bytes)) return decodeMp3(bytes, take)
  if (bytes.length === 0) throw new UserError('is empty', { code: 'BAD_ARGUMENT', remedy: 'record it again' })
  throw new UserError('not a sound file that can be read here', {
    code: 'BAD_ARGUMENT',
    remedy: 'convert it to WAV, FLAC, Ogg, Opus or MP3',
  })
}

async function decodeOgg(bytes: Uint8Array, take: TakeSound): Promise<void> {
  const stream = readOgg(bytes)
  const head = Buffer.from((stream.packets[0] ?? new Uint8Array(0)).subarray(0, 8)).toString('latin1')
  if (head === 'OpusHead') return decodeOpus(stream, take)
  if (head.startsWith('\x01vorbis')) return decodeVorbis(bytes, stream, take)
  throw badAudio('Ogg', 'it holds neither Vorbis nor Opus')
}
