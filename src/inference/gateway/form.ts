/** An upload as browsers and the official clients send it: multipart/form-data (RFC 7578) with one file. */
import type { IncomingHttpHeaders } from 'node:http'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { ApiError, badField } from './api-error.js'
import { type BodyLimits, eachPiece, type Incoming } from './body.js'

export interface Form {
  /**
   * Last value of each name; a name that ends in `[]`, or in `[0]` and so on, has all of them, under the name without it.
   * What was left empty is as if it were not there.
   */
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  /** What the part called `file` held; undefined where there was none. */
  readonly file: Buffer | undefined
}

const FIELD_BYTES = 64 * 1024
const FIELDS = 64
/** One file, its fields, and a few parts that nobody asked for. */
const PARTS = 72
const HEADER_PAIRS = 16
const HEADER_BYTES = 8 * 1024
const LIST = /\[\d{0,3}\]$/

/** @throws ApiError */
export async function readForm(incoming: Incoming, limits: BodyLimits): Promise<Form> {
  const { headers } = incoming.request
  if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? ''))
    throw new ApiError('the body must be multipart/form-data, with the recording as "file"', {
      status: 415,
      code: 'unsupported_media_type',
    })
  const fields = new Map<string, string[]>()
  const lists = new Set<string>()
  const pieces: Buffer[] = []
  let hasFile = false
  let refusal: unknown
  const refuse = (error: unknown): void => {
    refusal ??= error
  }
  const parser = makeParser(headers)
  parser.on('file', (name, stream) => {
    if (name === 'file' && !hasFile) {
      hasFile = true
      stream.on('data', (piece: Buffer) => pieces.push(piece))
    } else {
      refuse(badField(name ?? 'file', 'there must be one file, called "file"', 'unexpected_file'))
      stream.resume()
    }
    stream.on('error', () => refuse(malformed()))
  })
  // Its types know of no part without a name; its parser does.
  parser.on('field', (name: string | undefined, value, isNameCut, isCut) => {
    if (name === undefined) {
      refuse(malformed())
      return
    }
    if (isNameCut || isCut) refuse(badField(name, `the field exceeds ${FIELD_BYTES / 1024} KiB`, 'too_long'))
    if (value === '') return
    const key = name.replace(LIST, '')
    if (key !== name) lists.add(key)
    fields.set(key, [...(fields.get(key) ?? []), value])
  })
  for (const limit of ['partsLimit', 'fieldsLimit', 'filesLimit'] as const)
    parser.on(limit, () =>
      refuse(new ApiError('the form has too many parts', { status: 400, code: 'invalid_form' })),
    )
  const parsed = new Promise<void>((resolve, reject) => {
    parser.on('finish', resolve)
    parser.on('error', () => reject(malformed()))
  })
  // Where the body fails first, nobody waits for the parser.
  parsed.catch(() => undefined)
  await eachPiece(incoming, limits, (piece) => {
    if (refusal !== undefined) throw refusal
    parser.write(piece)
  })
  parser.end()
  await parsed
  if (refusal !== undefined) throw refusal
  return {
    fields: Object.fromEntries(
      [...fields].map(([name, values]) => [name, lists.has(name) ? values : (values.at(-1) ?? '')]),
    ),
    file: hasFile ? Buffer.concat(pieces) : undefined,
  }
}

function makeParser(headers: IncomingHttpHeaders): BusboyInstance {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      limits: {
        fieldSize: FIELD_BYTES,
        fields: FIELDS,
        files: 1,
        parts: PARTS,
        headerPairs: HEADER_PAIRS,
        headerSize: HEADER_BYTES,
      },
    })
  } catch (cause) {
    throw new ApiError('the form has no boundary', { status: 400, code: 'invalid_form', cause })
  }
}

const malformed = (): ApiError =>
  new ApiError('the form is malformed or cut off', { status: 400, code: 'invalid_form' })
