import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../src/crypto/identity.js'
import { encryptKeystore } from '../../src/crypto/keystore.js'
import { parseKeystore } from '../../src/crypto/keystore-schema.js'
import { UserError } from '../../src/errors.js'

const numRuns = Number(process.env.FUZZ_RUNS ?? 1000)

/** Parses, or says that it was refused with one line; anything else fails the test. */
function attempt(text: string): string {
  try {
    parseKeystore(text)
    return 'parsed'
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'BAD_KEY') throw error
    expect(error.line).not.toContain('\n')
    return error.line
  }
}

describe('key files', () => {
  it('survive any text and any JSON', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 200 }), fc.json()), (text) => {
        expect(attempt(text)).not.toBe('parsed')
      }),
      { numRuns },
    )
  })

  it('survive one field replaced by anything, and never ask for absurd work', async () => {
    const good = await encryptKeystore(Identity.generate(), 'x', { scryptCost: 1024 })
    const paths = [
      'version',
      'crypto',
      'address',
      'crypto.cipher',
      'crypto.ciphertext',
      'crypto.mac',
      'crypto.kdf',
      'crypto.cipherparams',
      'crypto.cipherparams.iv',
      'crypto.kdfparams',
      'crypto.kdfparams.n',
      'crypto.kdfparams.r',
      'crypto.kdfparams.p',
      'crypto.kdfparams.dklen',
      'crypto.kdfparams.salt',
    ]
    const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.integer(), fc.maxSafeInteger(), fc.double())
    fc.assert(
      fc.property(fc.constantFrom(...paths), anything, (path, value) => {
        const copy = JSON.parse(JSON.stringify(good)) as Record<string, unknown>
        const names = path.split('.')
        const leaf = names.pop() ?? ''
        const parent = names.reduce<Record<string, unknown>>(
          (at, name) => at[name] as Record<string, unknown>,
          copy,
        )
        parent[leaf] = value
        if (attempt(JSON.stringify(copy)) !== 'parsed') return
        const { crypto } = parseKeystore(JSON.stringify(copy))
        if (crypto.kdf !== 'scrypt') return
        const { n, r, p } = crypto.kdfparams
        expect(128 * n * r).toBeLessThanOrEqual(2 ** 29)
        expect(n * r * p).toBeLessThanOrEqual(2 ** 23)
      }),
      { numRuns },
    )
  })
})
