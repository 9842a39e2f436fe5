/** A SentencePiece model file (sentencepiece_model.proto), as far as encoding and decoding need it. */

import { readSmall } from '../../files/read-json.js'
import { refuse } from '../../files/refuse.js'
import { CharsMap } from './chars-map.js'
import { floatOfBits, ProtobufError, protobufFields } from './protobuf.js'

export type PieceType = 'normal' | 'unknown' | 'control' | 'user' | 'unused' | 'byte'

export interface Piece {
  readonly text: string
  /** Log probability of a unigram piece. */
  readonly score: number
  readonly type: PieceType
}

export interface NormalizerSpec {
  readonly charsMap: CharsMap
  readonly addDummyPrefix: boolean
  readonly removeExtraWhitespaces: boolean
  readonly escapeWhitespaces: boolean
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  readonly unknownId: number
  readonly byteFallback: boolean
  readonly whitespaceAsSuffix: boolean
  readonly normalizer: NormalizerSpec
}

const TYPES: readonly (PieceType | undefined)[] = [
  undefined,
  'normal',
  'unknown',
  'control',
  'user',
  'unused',
  'byte',
]
const UNIGRAM = 1
/** Far above the largest published vocabulary. */
const MAX_PIECES = 4_000_000

/** @throws UserError for a missing or malformed file, and for model types other than unigram */
export async function readSentencePieceModel(path: string): Promise<SentencePieceModel> {
  const bytes = await readSmall(path)
  try {
    return parse(path, bytes)
  } catch (error) {
    if (error instanceof ProtobufError || error instanceof TypeError)
      throw refuse(path, `is no SentencePiece model: ${error.message}`, { cause: error })
    throw error
  }
}

const textOf = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

function parse(path: string, bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = []
  let trainer = { modelType: UNIGRAM, byteFallback: false, whitespaceAsSuffix: false }
  let normalizer: NormalizerSpec = parseNormalizer(new Uint8Array(0))
  for (const field of protobufFields(bytes)) {
    if (field.number === 1) pieces.push(parsePiece(field.bytes))
    else if (field.number === 2) trainer = parseTrainer(field.bytes)
    else if (field.number === 3) normalizer = parseNormalizer(field.bytes)
    if (pieces.length > MAX_PIECES) throw refuse(path, `has more than ${MAX_PIECES} pieces`)
  }
  if (trainer.modelType !== UNIGRAM)
    throw refuse(path, 'is a SentencePiece model of another type than unigram', {
      remedy: 'use a checkpoint with a unigram model',
    })
  const unknownId = pieces.findIndex(({ type }) => type === 'unknown')
  if (unknownId < 0) throw refuse(path, 'is no SentencePiece model: it has no unknown piece')
  if (new Set(pieces.map(({ text }) => text)).size !== pieces.length)
    throw refuse(path, 'is no SentencePiece model: a piece occurs twice')
  return { pieces, unknownId, normalizer, ...trainer }
}

function parsePiece(bytes: Uint8Array): Piece {
  let text = ''
  let score = 0
  let type: PieceType = 'normal'
  for (const field of protobufFields(bytes)) {
    if (field.number === 1) text = textOf(field.bytes)
    else if (field.number === 2) score = floatOfBits(field.value)
    else if (field.number === 3) {
      const named = TYPES[field.value]
      if (named === undefined) throw new ProtobufError(`piece type ${field.value}`)
      type = named
    }
  }
  if (text === '') throw new ProtobufError('an empty piece')
  return { text, score, type }
}

function parseTrainer(bytes: Uint8Array) {
  const trainer = { modelType: UNIGRAM, byteFallback: false, whitespaceAsSuffix: false }
  for (const { number, value } of protobufFields(bytes)) {
    if (number === 3) trainer.modelType = value
    else if (number === 24) trainer.whitespaceAsSuffix = value !== 0
    else if (number === 35) trainer.byteFallback = value !== 0
  }
  return trainer
}

function parseNormalizer(bytes: Uint8Array): NormalizerSpec {
  const flags = new Map<number, boolean>()
  let charsMap = new CharsMap(new Uint8Array(0))
  for (const { number, value, bytes: content } of protobufFields(bytes)) {
    if (number === 2) charsMap = new CharsMap(content.slice())
    else flags.set(number, value !== 0)
  }
  return {
    charsMap,
    addDummyPrefix: flags.get(3) ?? true,
    removeExtraWhitespaces: flags.get(4) ?? true,
    escapeWhitespaces: flags.get(5) ?? true,
  }
}
