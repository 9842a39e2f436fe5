import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { decryptKeystore, encryptKeystore, SCRYPT_LIGHT_COST } from '../../../src/crypto/keystore.js'
import { loadIdentity, saveIdentity } from '../../../src/crypto/keystore-file.js'
import { UserError } from '../../../src/errors.js'

const SECRET = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const LIGHT = { scryptCost: SCRYPT_LIGHT_COST }

/** The two test vectors of the Web3 Secret Storage Definition, version 3. */
const OFFICIAL = {
  pbkdf2: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  scrypt: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262144,
        p: 8,
        r: 1,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
} as const

const code = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error
      expect(error.line).not.toContain('\n')
      return error.code
    },
  )

describe('keystore (Web3 Secret Storage v3)', () => {
  it.each(['pbkdf2', 'scrypt'] as const)('opens the official %s vector', async (kind) => {
    const text = JSON.stringify(OFFICIAL[kind])
    const identity = await decryptKeystore(text, 'testpassword')
    expect(identity.withSecret((secret) => bytesToHex(secret))).toBe(SECRET)
    expect(identity.address).toBe(privateKeyToAccount(`0x${SECRET}`).address)
    expect(identity.address.toLowerCase()).toBe('0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b')
  })

  it('round-trips, with the standard cost by default', async () => {
    const identity = Identity.generate()
    const keystore = await encryptKeystore(identity, 'correct horse')
    expect(keystore.crypto.kdfparams).toMatchObject({ n: 262_144, r: 8, p: 1, dklen: 32 })
    const again = await decryptKeystore(JSON.stringify(keystore), 'correct horse')
    expect(again.address).toBe(identity.address)
    expect(keystore.address).toBe(identity.address.slice(2).toLowerCase())
  })

  it('never repeats a salt or an initialisation vector', async () => {
    const identity = Identity.generate()
    const [a, b] = await Promise.all([
      encryptKeystore(identity, 'x', LIGHT),
      encryptKeystore(identity, 'x', LIGHT),
    ])
    expect(a?.crypto.ciphertext).not.toBe(b?.crypto.ciphertext)
    expect(a?.crypto.kdfparams.salt).not.toBe(b?.crypto.kdfparams.salt)
    expect(a?.crypto.cipherparams.iv).not.toBe(b?.crypto.cipherparams.iv)
  })

  it('tells a wrong passphrase, and takes composed and decomposed letters as one', async () => {
    const identity = Identity.generate()
    const text = JSON.stringify(await encryptKeystore(identity, 'caf\u00e9', LIGHT))
    expect((await decryptKeystore(text, 'cafe\u0301')).address).toBe(identity.address)
    expect(await code(decryptKeystore(text, 'cafe'))).toBe('BAD_KEY')
    await expect(decryptKeystore(text, 'cafe')).rejects.toThrow('wrong passphrase')
  })

  it('refuses malformed files with one line and without echoing them', async () => {
    const good = await encryptKeystore(Identity.generate(), 'x', LIGHT)
    const change = (patch: object): string =>
      JSON.stringify({ ...good, crypto: { ...good.crypto, ...patch } })
    const { kdfparams } = good.crypto
    const bad: Record<string, string> = {
      empty: '',
      'not JSON': 'hello',
      'an array': '[]',
      null: 'null',
      'version 1': JSON.stringify({ ...good, version: 1 }),
      'no crypto': JSON.stringify({ version: 3 }),
      'other cipher': change({ cipher: 'aes-128-cbc' }),
      'other kdf': change({ kdf: 'argon2' }),
      'short ciphertext': change({ ciphertext: 'aabb' }),
      'no hex': change({ mac: 'zz'.repeat(32) }),
      'absurd n': change({ kdfparams: { ...kdfparams, n: 2 ** 23 } }),
      'absurd r': change({ kdfparams: { ...kdfparams, r: 1000 } }),
      'absurd p': change({ kdfparams: { ...kdfparams, n: 262_144, p: 64 } }),
      'n no power of two': change({ kdfparams: { ...kdfparams, n: 5000 } }),
      'n a string': change({ kdfparams: { ...kdfparams, n: '4096' } }),
      'short key': change({ kdfparams: { ...kdfparams, dklen: 16 } }),
      'other address': JSON.stringify({ ...good, address: '00'.repeat(20) }),
      'flipped ciphertext': change({ ciphertext: 'ab'.repeat(32) }),
      'huge file': `${' '.repeat(20_000)}${JSON.stringify(good)}`,
    }
    for (const [name, text] of Object.entries(bad))
      expect(await code(decryptKeystore(text, 'x')), name).toBe('BAD_KEY')
  })

  it('refuses to write a cost outside its bounds', async () => {
    for (const scryptCost of [0, 512, 5000, 2 ** 20, Number.NaN])
      await expect(encryptKeystore(Identity.generate(), 'x', { scryptCost })).rejects.toThrow(RangeError)
  })
})

describe('key files', () => {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-keys-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('writes mode 0600, leaves no temporary file, and reads back', async () => {
    const identity = Identity.generate()
    const path = join(directory, 'deep', 'key.json')
    await saveIdentity(path, identity, 'pass', LIGHT)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(directory, 'deep'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(directory, 'deep'))).toEqual(['key.json'])
    expect((await loadIdentity(path, 'pass')).address).toBe(identity.address)
    const text = await readFile(path, 'utf8')
    expect(text).not.toContain(identity.withSecret((secret) => bytesToHex(secret)))
  })

  it('never overwrites, whatever the path holds', async () => {
    const path = join(directory, 'key.json')
    await writeFile(path, 'something of yours')
    expect(await code(saveIdentity(path, Identity.generate(), 'pass', LIGHT))).toBe('EXISTS')
    expect(await readFile(path, 'utf8')).toBe('something of yours')
    expect(await readdir(directory)).toEqual(['key.json'])
  })

  it('lets exactly one of several concurrent writers win', async () => {
    const path = join(directory, 'key.json')
    const identities = Array.from({ length: 5 }, () => Identity.generate())
    const results = await Promise.all(identities.map((each) => code(saveIdentity(path, each, 'pass', LIGHT))))
    expect(results.filter((result) => result === 'no error')).toHaveLength(1)
    expect(results.filter((result) => result === 'EXISTS')).toHaveLength(4)
    const winner = identities[results.indexOf('no error')]
    expect((await loadIdentity(path, 'pass')).address).toBe(winner?.address)
    expect(await readdir(directory)).toEqual(['key.json'])
  })

  it('says what is wrong with a missing, open or odd file', async () => {
    expect(await code(loadIdentity(join(directory, 'none.json'), 'x'))).toBe('NOT_FOUND')
    const path = join(directory, 'open.json')
    await writeFile(path, '{}', { mode: 0o644 })
    expect(await code(loadIdentity(path, 'x'))).toBe('BAD_KEY')
    await expect(loadIdentity(path, 'x')).rejects.toThrow('open to other users (mode 644)')
    const folder = join(directory, 'folder')
    await mkdir(folder, { mode: 0o700 })
    expect(await code(loadIdentity(folder, 'x'))).toBe('BAD_KEY')
  })
})
