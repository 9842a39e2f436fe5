import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../../src/config/paths.js'
import { complaint, run } from './in-process.js'

const PASSPHRASE = 'correct horse'
const LIGHT = ['--key-cost', 'light']
/** A key whose address is known from elsewhere: the definition's own test vector. */
const KNOWN_SECRET = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
const KNOWN_ADDRESS = '0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b'
/** Web3 Secret Storage definition, "Test vectors", PBKDF2: the same key under "testpassword". */
const KNOWN_KEYSTORE = {
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
}

let root: string
const env = { PLUMBLINE_PASSPHRASE: PASSPHRASE }
const dir = (name: string): string => join(root, name)
const init = (name: string, ...args: string[]) =>
  run(['init', '--data-dir', dir(name), ...LIGHT, ...args, '--json'], { env })
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-keys-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('init', () => {
  it('makes a private directory, a key and a configuration, and says where', async () => {
    const outcome = await init('fresh', '--roles', 'prover', '--claim', '250')
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    const paths = dataPaths(dir('fresh'))
    const result = JSON.parse(outcome.stdout)
    expect(result).toMatchObject({ dataDir: paths.dataDir, key: paths.key, created: ['key', 'config'] })
    expect(await Promise.all([paths.dataDir, paths.key, paths.config].map(modeOf))).toEqual([
      0o700, 0o600, 0o600,
    ])
    const config = await readFile(paths.config, 'utf8')
    expect(config).toMatch(/^ {2}claimMbps: 250$/m)
    expect(config).toMatch(/^roles: \[prover\]$/m)
    expect(result.peerId).toMatch(/^16Uiu2/)
  })

  it('changes nothing when it is run again, whatever it is asked for', async () => {
    const paths = dataPaths(dir('again'))
    const first = JSON.parse((await init('again')).stdout)
    const before = await Promise.all([paths.key, paths.config].map((path) => readFile(path, 'utf8')))
    // No passphrase is needed any more, and none is asked for.
    const outcome = await run(['init', '--data-dir', dir('again'), '--claim', '9', '--json'])
    expect(JSON.parse(outcome.stdout)).toEqual({ ...first, created: [] })
    expect(await Promise.all([paths.key, paths.config].map((path) => readFile(path, 'utf8')))).toEqual(before)
    const text = await run(['init', '--data-dir', dir('again')])
    expect(text.stdout).toContain('nothing was changed')
  })

  it('asks twice, insists on eight characters, and shows nothing of them', async () => {
    const answers = ['short', 'long enough', 'different one', 'long enough', 'long enough']
    const outcome = await run(['init', '--data-dir', dir('asked'), ...LIGHT], { answers })
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toContain('Too short')
    expect(outcome.stderr).toContain('The two differ')
    expect(outcome.stdout + outcome.stderr).not.toContain('long enough')
    const args = ['keys', 'export', '--out', join(root, 'asked.json'), '--data-dir', dir('asked')]
    expect(await run(args, { answers: ['long enough', 'y'] })).toMatchObject({ status: 0 })
  })

  it('writes nothing where nobody can be asked', async () => {
    const outcome = await run(['init', '--data-dir', dir('nobody')])
    expect(complaint(outcome)).toContain('--passphrase-file')
    expect(outcome.status).toBe(1)
    expect(await readdir(root)).not.toContain('nobody')
  })

  it('ends with 130 where the answer is Ctrl-C', async () => {
    const outcome = await run(['init', '--data-dir', dir('gone')], { answers: ['\u0003'] })
    expect(outcome.status).toBe(130)
    expect(await readdir(root)).not.toContain('gone')
  })

  it('names a data directory that it cannot make', async () => {
    await writeFile(dir('a-file'), '')
    const outcome = await run(['init', '--data-dir', join(dir('a-file'), 'x'), ...LIGHT], { env })
    expect(complaint(outcome)).toContain('not a directory')
    expect(outcome.status).toBe(1)
  })

  it('warns where others can look into the directory', async () => {
    await mkdir(dir('open'), { mode: 0o755 })
    await chmod(dir('open'), 0o755)
    expect((await init('open')).stderr).toContain('chmod 700')
  })
})

describe('keys', () => {
  it('lists the key without its passphrase', async () => {
    const made = JSON.parse((await init('listed')).stdout)
    const outcome = await run(['keys', 'list', '--data-dir', dir('listed'), '--json'])
    expect(JSON.parse(outcome.stdout).keys).toEqual([
      { address: made.address, peerId: made.peerId, path: made.key },
    ])
  })

  it('does not believe a peer id that belongs to another key', async () => {
    const mine = JSON.parse((await init('mine')).stdout)
    const other = JSON.parse((await init('other')).stdout)
    const file = JSON.parse(await readFile(mine.key, 'utf8'))
    await writeFile(mine.key, JSON.stringify({ ...file, peerId: other.peerId }))
    const blind = await run(['keys', 'list', '--data-dir', dir('mine'), '--json'])
    expect(JSON.parse(blind.stdout).keys[0]).toMatchObject({ address: mine.address, peerId: null })
    const opened = await run(['keys', 'list', '--data-dir', dir('mine'), '--json'], { env })
    expect(JSON.parse(opened.stdout).keys[0]).toMatchObject({ address: mine.address, peerId: mine.peerId })
  })

  it.each(['keystore', 'hex'])('survives export as %s and import elsewhere', async (format) => {
    const made = JSON.parse((await init(`from-${format}`)).stdout)
    const out = join(root, `${format}.key`)
    const exported = await run(
      ['keys', 'export', '--data-dir', dir(`from-${format}`), '--out', out, '--format', format, '--yes'],
      { env },
    )
    expect(exported.status).toBe(0)
    expect(await modeOf(out)).toBe(0o600)
    const content = (await readFile(out, 'utf8')).trim()
    if (format === 'hex') {
      expect(content).toMatch(/^0x[0-9a-f]{64}$/)
      expect(exported.stdout + exported.stderr).not.toContain(content.slice(2))
    }
    const imported = await run(
      ['keys', 'import', out, '--data-dir', dir(`to-${format}`), ...LIGHT, '--json'],
      {
        env,
      },
    )
    expect(JSON.parse(imported.stdout)).toMatchObject({ address: made.address, peerId: made.peerId })
    expect(await modeOf(dataPaths(dir(`to-${format}`)).key)).toBe(0o600)
  })

  it('imports the published vector, from hex and from a keystore with a passphrase of its own', async () => {
    const [hex, keystore, passphrase] = ['known.hex', 'known.json', 'known.pass'].map((name) =>
      join(root, name),
    )
    if (!hex || !keystore || !passphrase) throw new Error('no paths')
    await writeFile(hex, KNOWN_SECRET)
    await writeFile(keystore, JSON.stringify(KNOWN_KEYSTORE))
    await writeFile(passphrase, 'testpassword\n', { mode: 0o600 })
    const fromHex = await run(['keys', 'import', hex, '--data-dir', dir('k1'), ...LIGHT, '--json'], { env })
    const fromFile = await run(
      [
        'keys',
        'import',
        keystore,
        '--source-passphrase-file',
        passphrase,
        '--data-dir',
        dir('k2'),
        ...LIGHT,
        '--json',
      ],
      { env },
    )
    const asked = await run(['keys', 'import', keystore, '--data-dir', dir('k3'), ...LIGHT, '--json'], {
      answers: ['testpassword', 'a new passphrase', 'a new passphrase'],
    })
    for (const outcome of [fromHex, fromFile, asked])
      expect(JSON.parse(outcome.stdout)).toMatchObject({ address: KNOWN_ADDRESS })
  })

  it('never overwrites: a key by import, a file by export', async () => {
    await init('kept')
    const path = dataPaths(dir('kept')).key
    const before = await readFile(path, 'utf8')
    const source = join(root, 'source.hex')
    await writeFile(source, KNOWN_SECRET)
    const imported = await run(['keys', 'import', source, '--data-dir', dir('kept'), ...LIGHT], { env })
    expect(complaint(imported)).toContain('never overwritten')
    const exported = await run(['keys', 'export', '--out', source, '--data-dir', dir('kept'), '--yes'], {
      env,
    })
    expect(complaint(exported)).toContain('exists')
    expect(await readFile(path, 'utf8')).toBe(before)
    expect(await readFile(source, 'utf8')).toBe(KNOWN_SECRET)
  })

  it('asks before it exports, and takes silence for no', async () => {
    await init('asking')
    const args = ['keys', 'export', '--out', join(root, 'no.json'), '--data-dir', dir('asking')]
    expect(complaint(await run(args, { env }))).toContain('--yes')
    const refused = await run(args, { env, answers: [''] })
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('nothing was written')
    expect(await readdir(root)).not.toContain('no.json')
  })

  it.each([
    ['a wrong passphrase', undefined, 'wrong passphrase'],
    ['garbage', 'not a key at all', 'is not JSON'],
    ['a truncated file', '{"version": 3, "crypto": {"cipher"', 'is not JSON'],
    ['another version', '{"version": 1}', 'not of version 3'],
    ['an empty file', '', 'is not JSON'],
  ])('says in one line what is wrong: %s', async (name, content, expected) => {
    const place = `bad-${name.replaceAll(' ', '-')}`
    await init(place)
    if (content !== undefined) await writeFile(dataPaths(dir(place)).key, content)
    const args = ['keys', 'export', '--out', join(root, `${place}.json`), '--data-dir', dir(place), '--yes']
    const outcome = await run(args, { env: { PLUMBLINE_PASSPHRASE: 'something else' } })
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(1)
  })

  it('refuses a key file that others can read, and says how to mend it', async () => {
    await init('readable')
    const path = dataPaths(dir('readable')).key
    await chmod(path, 0o644)
    const outcome = await run(['keys', 'list', '--data-dir', dir('readable')])
    expect(complaint(outcome)).toContain(`chmod 600 ${path}`)
  })

  it.each([
    ['nonsense', 'hello', 'neither a v3 key file nor 32 bytes in hex'],
    ['a zero key', '0'.repeat(64), 'no secp256k1 key'],
    ['a short key', 'ab'.repeat(31), 'neither a v3 key file'],
    ['broken JSON', '{"version": 3', 'is not JSON'],
  ])('refuses to import %s', async (name, content, expected) => {
    const source = join(root, `import-${name.replaceAll(' ', '-')}`)
    await writeFile(source, content)
    const outcome = await run(['keys', 'import', source, '--data-dir', dir('none'), ...LIGHT], { env })
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).not.toContain('ab'.repeat(20))
  })

  it('says where a key is missing', async () => {
    expect(complaint(await run(['keys', 'list', '--data-dir', dir('empty')]))).toContain(
      'run "plumbline init"',
    )
    const gone = await run(['keys', 'import', join(root, 'gone'), '--data-dir', dir('empty')], { env })
    expect(complaint(gone)).toContain('no such file')
  })
})
