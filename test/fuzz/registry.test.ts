/** Registry files are JSON from outside: refused in one line, or taken; nothing else. FUZZ_RUNS for more. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildRegistry, parseRegistry, signRegistry } from '../../src/pob/registry.js'
import { candidates } from '../support/candidates.js'
import { identityOf } from '../support/challenge-builder.js'
import { fuzzRuns, readOrRefuse } from '../support/mutations.js'

const genuine = signRegistry(candidates(3), identityOf('publisher'))
const hash = buildRegistry(candidates(3)).hash

/** Whatever is taken is the signed content. */
function survives(json: string): void {
  const read = readOrRefuse(() => parseRegistry(json))
  if (read !== 'refused') expect(read.hash).toEqual(hash)
}

describe('registry files', () => {
  it('are refused in one line for a host of several', () => {
    const file = JSON.parse(genuine) as { entries: Record<string, unknown>[] }
    const entries = file.entries.map((entry) => ({ ...entry, host: '\n\u0000' }))
    expect(readOrRefuse(() => parseRegistry(JSON.stringify({ ...file, entries })))).toBe('refused')
  })

  it('survive any text and any JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.json({ maxDepth: 4 }), (text, json) => {
        survives(text)
        survives(json)
      }),
      { numRuns: fuzzRuns(0.5) },
    )
  })

  it('survive any value in any place', () => {
    const place = fc.constantFrom('format', 'version', 'entries', 'publisher', 'signature', 'extra')
    const field = fc.constantFrom(
      'publicKey',
      'operator',
      'host',
      'udpPort',
      'addresses',
      'uplinkKbps',
      '__proto__',
      'extra',
    )
    const hexText = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF'), maxLength: 140 })
    const put = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      hexText,
      fc.string({ unit: 'binary', maxLength: 70 }),
      fc.ipV4(),
      fc.ipV6(),
    )
    fc.assert(
      fc.property(fc.option(place), field, fc.nat(2), put, (top, inner, index, value) => {
        const file = JSON.parse(genuine) as { entries: Record<string, unknown>[] }
        const entries = file.entries.map((entry, i) => (i === index ? { ...entry, [inner]: value } : entry))
        survives(JSON.stringify(top === null ? { ...file, entries } : { ...file, [top]: value }))
      }),
      { numRuns: fuzzRuns(0.25) },
    )
  })

  it('survive changed characters', () => {
    fc.assert(
      fc.property(fc.nat(genuine.length - 1), fc.string({ maxLength: 2 }), fc.nat(3), (at, text, cut) => {
        survives(genuine.slice(0, at) + text + genuine.slice(at + cut))
      }),
      { numRuns: fuzzRuns(0.25) },
    )
  })
})
