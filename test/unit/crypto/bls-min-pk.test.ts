import { bls12_381 } from '@noble/curves/bls12-381.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import {
  MIN_PK_SUITES,
  type MinPkScheme,
  minPkAggregate,
  minPkAggregateVerify,
  minPkFastAggregateVerify,
  minPkPossessionVerify,
  minPkVerify,
} from '../../../src/crypto/bls-min-pk.js'

const scheme = bls12_381.longSignatures
const secrets = [1, 2, 3].map((i) => new Uint8Array(32).fill(i))
const keys = secrets.map((secret) => scheme.getPublicKey(secret).toBytes(true))
const [first = new Uint8Array(0), second = new Uint8Array(0)] = keys
const messages = ['one', 'two', 'three'].map(utf8ToBytes)
const signed = (secret: Uint8Array, message: Uint8Array, dst: string): Uint8Array =>
  scheme.sign(scheme.hash(message, dst), secret).toBytes(true)
const infinity = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i === 0 ? 0xc0 : 0))

describe.each(Object.keys(MIN_PK_SUITES) as MinPkScheme[])('min-pk, %s', (suite) => {
  const dst = MIN_PK_SUITES[suite]
  const own = (i: number, message: Uint8Array) => {
    const [secret = new Uint8Array(32), key = new Uint8Array(48)] = [secrets[i], keys[i]]
    return signed(secret, suite === 'augmentation' ? concatBytes(key, message) : message, dst)
  }
  const aggregate = minPkAggregate(messages.map((message, i) => own(i, message)))

  it('verifies what was signed, and nothing else', () => {
    const [message = new Uint8Array(0)] = messages
    const signature = own(0, message)
    expect(minPkVerify(suite, first, message, signature)).toBe(true)
    expect(minPkVerify(suite, second, message, signature)).toBe(false)
    expect(minPkVerify(suite, first, utf8ToBytes('two'), signature)).toBe(false)
    for (const malformed of [
      new Uint8Array(0),
      signature.slice(1),
      infinity(96),
      new Uint8Array(96).fill(0xff),
    ])
      expect(minPkVerify(suite, first, message, malformed)).toBe(false)
    for (const malformed of [new Uint8Array(0), first.slice(1), infinity(48), new Uint8Array(48)])
      expect(minPkVerify(suite, malformed, message, signature)).toBe(false)
  })

  it('verifies an aggregate over as many messages as keys', () => {
    expect(minPkAggregateVerify(suite, keys, messages, aggregate)).toBe(true)
    expect(minPkAggregateVerify(suite, [...keys].reverse(), messages, aggregate)).toBe(false)
    expect(minPkAggregateVerify(suite, keys.slice(1), messages, aggregate)).toBe(false)
    expect(minPkAggregateVerify(suite, keys, messages.slice(1), aggregate)).toBe(false)
    expect(minPkAggregateVerify(suite, [], [], infinity(96))).toBe(false)
    expect(
      minPkAggregateVerify(suite, [...keys, infinity(48)], [...messages, utf8ToBytes('x')], aggregate),
    ).toBe(false)
  })

  it('takes a message twice in every scheme but the basic one', () => {
    const twice = [utf8ToBytes('same'), utf8ToBytes('same')]
    const both = minPkAggregate(twice.map((message, i) => own(i, message)))
    expect(minPkAggregateVerify(suite, [first, second], twice, both)).toBe(suite !== 'basic')
  })
})

describe('min-pk, possession', () => {
  const proofs = secrets.map((secret, i) =>
    signed(secret, keys[i] ?? first, 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'),
  )
  const [proof = new Uint8Array(0)] = proofs

  it('proves a key to whoever has its secret, with a tag of its own', () => {
    expect(minPkPossessionVerify(first, proof)).toBe(true)
    expect(minPkPossessionVerify(second, proof)).toBe(false)
    const asSignature = signed(secrets[0] ?? new Uint8Array(32), first, MIN_PK_SUITES.possession)
    expect(minPkPossessionVerify(first, asSignature)).toBe(false)
    expect(minPkVerify('possession', first, first, proof)).toBe(false)
  })

  it('verifies one message by many keys', () => {
    const message = utf8ToBytes('epoch 7')
    const all = minPkAggregate(secrets.map((secret) => signed(secret, message, MIN_PK_SUITES.possession)))
    expect(minPkFastAggregateVerify(keys, message, all)).toBe(true)
    expect(minPkFastAggregateVerify(keys.slice(1), message, all)).toBe(false)
    expect(minPkFastAggregateVerify([], message, all)).toBe(false)
    // A rogue key that takes the others away: the sum is a key of the attacker's. Possession proofs stop it.
    const others = bls12_381.G1.Point.fromBytes(first).negate()
    const rogue = bls12_381.G1.Point.fromBytes(second).add(others).toBytes(true)
    const forged = signed(secrets[1] ?? new Uint8Array(32), message, MIN_PK_SUITES.possession)
    expect(minPkFastAggregateVerify([first, rogue], message, forged)).toBe(true)
    expect(minPkPossessionVerify(rogue, forged)).toBe(false)
    // Keys that cancel out verify nothing.
    const opposite = bls12_381.G1.Point.fromBytes(first).negate().toBytes(true)
    expect(minPkFastAggregateVerify([first, opposite], message, infinity(96))).toBe(false)
  })
})
