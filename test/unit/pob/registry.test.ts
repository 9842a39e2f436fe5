/** Registry snapshots: what is refused, and in which words. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { encode } from '../../../src/crypto/cbor.js'
import { UserError } from '../../../src/errors.js'
import { buildRegistry, parseRegistry, signRegistry } from '../../../src/pob/registry.js'
import { candidate, candidates } from '../../support/candidates.js'
import { identityOf } from '../../support/challenge-builder.js'

const publisher = identityOf('publisher')
const genuine = signRegistry(candidates(3), publisher)

type Json = Record<string, unknown>
function edited(change: (file: Json, entries: Json[]) => void): string {
  const file = JSON.parse(genuine) as Json
  change(file, file.entries as Json[])
  return JSON.stringify(file)
}

function complaint(json: string): string {
  try {
    parseRegistry(json)
  } catch (error) {
    expect(error).toBeInstanceOf(UserError)
    if (!(error instanceof UserError)) throw error
    expect(error.code).toBe('BAD_CONFIG')
    expect(error.line).not.toContain('\n')
    return error.message
  }
  throw new Error('it was taken')
}

describe('registry files', () => {
  it('are read back as they were signed', () => {
    const registry = parseRegistry(genuine)
    expect(registry.publisher).toEqual(publisher.publicKey)
    expect(registry.entries.length).toBe(3)
    expect(registry.hash).toEqual(buildRegistry(candidates(3)).hash)
    expect(registry.hash).toEqual(sha256(encode(registry.entries)))
  })

  it('are sorted by key, whatever their order', () => {
    const { entries, hash } = buildRegistry(candidates(9).reverse())
    const hex = entries.map(({ publicKey }) => bytesToHex(publicKey))
    expect(hex).toEqual([...hex].sort())
    expect(hash).toEqual(buildRegistry(candidates(9)).hash)
  })

  const entry = (change: Json) => edited((_, entries) => Object.assign(entries[1] ?? {}, change))
  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /is no JSON/],
    ['null', 'null', /not in the format plumbline-registry, version 1/],
    ['an array', '[]', /not in the format/],
    ['another format', edited((file) => Object.assign(file, { format: 'x' })), /not in the format/],
    ['another version', edited((file) => Object.assign(file, { version: 2 })), /not in the format/],
    ['no entries', edited((file) => Object.assign(file, { entries: {} })), /no list of entries/],
    [
      'an entry that is no object',
      edited((_, entries) => entries.splice(1, 1, 5 as unknown as Json)),
      /no object at entry 1/,
    ],
    ['a key that is no hexadecimal', entry({ publicKey: 'zz' }), /no hexadecimal publicKey at entry 1/],
    ['a key with half a byte', entry({ publicKey: 'abc' }), /no hexadecimal publicKey at entry 1/],
    [
      'a key that is too short',
      entry({ publicKey: 'abcd' }),
      /publicKey at entry 1 of 2 bytes instead of 33/,
    ],
    ['a key that is no point', entry({ publicKey: '05'.repeat(33) }), /no point of the curve/],
    [
      'a missing operator',
      entry({ operator: undefined }),
      /entries\[1\]\.operator: expected text of 1\.\.64 characters, got nothing/,
    ],
    ['an operator that is too long', entry({ operator: 'x'.repeat(65) }), /entries\[1\]\.operator/],
    ['an operator that is half a character', entry({ operator: '\ud800' }), /not well-formed/],
    ['an address that is half a character', entry({ addresses: ['\udfff'] }), /not well-formed/],
    ['a host name', entry({ host: 'example.org' }), /host "example\.org", which is no IP address/],
    [
      'a port out of range',
      entry({ udpPort: 65_536 }),
      /entries\[1\]\.udpPort: expected an integer 1\.\.65535/,
    ],
    ['an uplink that is a fraction', entry({ uplinkKbps: 1.5 }), /entries\[1\]\.uplinkKbps/],
    [
      'too many addresses',
      entry({ addresses: Array.from({ length: 9 }, () => 'x') }),
      /entries\[1\]\.addresses/,
    ],
    ['a key it does not know', entry({ stake: 1 }), /entries\[1\]: unknown key "stake"/],
    [
      'a key twice',
      edited((_, entries) => entries.push(entries[0] ?? {})),
      /holds the key [0-9a-f]{66} twice/,
    ],
    ['an uplink raised after signing', entry({ uplinkKbps: 5 }), /does not carry its publisher's signature/],
    [
      'an entry removed after signing',
      edited((_, entries) => entries.pop()),
      /does not carry its publisher's signature/,
    ],
    [
      'another publisher',
      edited((file) => Object.assign(file, { publisher: bytesToHex(identityOf('x').publicKey) })),
      /does not carry its publisher's signature/,
    ],
    [
      'no publisher',
      edited((file) => Object.assign(file, { publisher: undefined })),
      /no hexadecimal publisher/,
    ],
    [
      'a short signature',
      edited((file) => Object.assign(file, { signature: '00' })),
      /a signature of 1 bytes instead of 65/,
    ],
  ])('are refused with %s', (_, json, message) => {
    expect(complaint(json)).toMatch(message)
  })

  it('are refused when built from impossible entries, too', () => {
    expect(() => buildRegistry([candidate(1), candidate(1)])).toThrow(/twice/)
    expect(() => buildRegistry([candidate(1, { publicKey: new Uint8Array(33) })])).toThrow(
      /no point of the curve/,
    )
    expect(() => buildRegistry([candidate(1, { publicKey: new Uint8Array(32) })])).toThrow(
      /entries\[0\]\.publicKey/,
    )
  })
})
