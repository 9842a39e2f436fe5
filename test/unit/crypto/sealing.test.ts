import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { isSealed, SEAL_BYTES, Sealing } from '../../../src/crypto/sealing.js'

const identity = Identity.generate()
const sealing = Sealing.of(identity, 'a test')
const plain = new TextEncoder().encode('what somebody said')
const place = Uint8Array.of(1, 2, 3)

it('opens what it sealed, after a restart too', () => {
  const sealed = sealing.seal(plain, place)
  expect(sealed).toHaveLength(plain.length + SEAL_BYTES)
  expect(isSealed(sealed)).toBe(true)
  expect(Buffer.from(sealed).includes('somebody')).toBe(false)
  expect(sealing.seal(plain, place)).not.toEqual(sealed)
  expect([...Sealing.of(identity, 'a test').open(sealed, place)]).toEqual([...plain])
  expect(sealing.open(sealing.seal(new Uint8Array(), place), place)).toHaveLength(0)
})

it('opens nothing that was altered, moved, or is of another key or purpose', () => {
  const sealed = sealing.seal(plain, place)
  const refused = { code: 'BAD_MESSAGE', message: 'what was sealed does not open' }
  for (let i = 0; i < sealed.length; i++) {
    const altered = Uint8Array.from(sealed)
    altered[i] = (altered[i] ?? 0) ^ 1
    expect(() => sealing.open(altered, place)).toThrow(expect.objectContaining(refused))
  }
  for (const length of [0, 3, SEAL_BYTES - 1, SEAL_BYTES, sealed.length - 1])
    expect(() => sealing.open(sealed.subarray(0, length), place)).toThrow(expect.objectContaining(refused))
  expect(() => sealing.open(sealed, Uint8Array.of(1, 2, 4))).toThrow(expect.objectContaining(refused))
  for (const other of [Sealing.of(Identity.generate(), 'a test'), Sealing.of(identity, 'another')])
    expect(() => other.open(sealed, place)).toThrow(expect.objectContaining(refused))
})

it('shows its key to nobody', () => {
  expect(inspect(sealing, { depth: 5, showHidden: true })).not.toMatch(/[0-9a-f]{2}, |Uint8Array/)
  expect(JSON.stringify(sealing)).toBe('{}')
})
