import { readdirSync, readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.js'
import { decodeImage, isImage } from '../../src/ml/image/decode.js'
import { bounded, damaged, fuzzRuns, fuzzTimeout } from '../support/damage.js'

const folder = new URL('../fixtures/images/', import.meta.url)
const images = readdirSync(folder)
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) }))
  .filter(({ bytes }) => isImage(bytes))

/** An image, or one line; every other error fails the test. */
function attempt(bytes: Uint8Array): 'read' | 'refused' {
  try {
    decodeImage(bytes)
    return 'read'
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    expect(error.line).not.toMatch(/[\p{Cc}]/u)
    return 'refused'
  }
}

/** The checksums of a PNG's chunks made right (PNG specification, 5.4), as far as chunks can be found. */
function resealed(file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file)
  if (bytes.readUInt32BE(0) !== 0x89504e47) return bytes
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    if (at + 12 + length > bytes.length) break
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, at + 8 + length)), at + 8 + length)
    at += 12 + length
  }
  return bytes
}

describe('images, damaged anywhere, are read or refused in one line', () => {
  it.each(images)(
    '$name',
    async ({ bytes }) => {
      expect(attempt(bytes)).toBe('read')
      await bounded(async () => {
        fc.assert(
          fc.property(damaged(bytes), fc.boolean(), (copy, seal) => {
            attempt(seal && copy.length >= 8 ? resealed(copy) : copy)
          }),
          fuzzRuns(40),
        )
      })
    },
    fuzzTimeout(40),
  )

  it('there are images of both kinds', () => {
    expect(images.length).toBeGreaterThan(1)
  })
})

it('an image that says it is 2^31 pixels wide is refused before memory is taken', async () => {
  for (const { bytes } of images) {
    const copy = Buffer.from(bytes)
    if (copy.readUInt32BE(0) === 0x89504e47) copy.writeUInt32BE(0x7fffffff, 16)
    else {
      const frame = copy.findIndex(
        (byte, i) => byte === 0xff && [0xc0, 0xc1, 0xc2].includes(copy[i + 1] ?? 0),
      )
      if (frame > 0) copy.writeUInt32BE(0xffffffff, frame + 5)
    }
    await bounded(async () => expect(attempt(resealed(copy))).toBe('refused'))
  }
})
