/** `plumbline keys list | import | export`. Secrets never reach the terminal. */
import { readFile } from 'node:fs/promises'
import { DEFAULT_DATA_DIR, dataPaths, expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import { configOptions, defineCommand, keyCostOptions, keyOptions } from './command.js'
import type { CommandIo } from './io.js'
import { badArgument, choice, flag, text } from './option.js'
import { askPassphrase, canAsk, confirm } from './prompt.js'
import { givenPassphrase, newPassphrase, openIdentity } from './settings.js'

const keyPathOf = (dataDir: string | undefined, io: CommandIo): string =>
  dataPaths(dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR).key

/** A file of 32 bytes in hex, with or without 0x, and nothing else. */
const RAW_KEY = /^\s*(?:0x)?([0-9a-fA-F]{64})\s*$/
const MAX_KEY_FILE_BYTES = 16_384

export const keysListCommand = defineCommand({
  path: 'keys list',
  group: 'trust',
  summary: "Show this node's address and peer id",
  description: ['No passphrase is needed for a key that plumbline made or imported.'],
  options: { 'data-dir': configOptions['data-dir'], ...keyOptions },
  examples: [['keys list', 'Show the key of this node']],
  run: async (args, io) => {
    const { readKeyFileInfo } = await import('./key-file.js')
    const path = keyPathOf(args.dataDir, io)
    let { address, peerId } = await readKeyFileInfo(path)
    if (peerId === undefined) {
      const passphrase = await givenPassphrase(args.passphraseFile, io)
      if (passphrase !== undefined || canAsk(io))
        ({ address, peerId } = await openIdentity(dirOf(args.dataDir, io), args.passphraseFile, io))
    }
    const keys = [{ address: address ?? null, peerId: peerId ?? null, path }]
    io.output.result({ keys }, () =>
      keys
        .flatMap((key) => [
          `address  ${key.address ?? 'not in the file; give the passphrase to see it'}`,
          `peer id  ${key.peerId ?? 'not in the file; give the passphrase to see it'}`,
          `file     ${key.path}`,
        ])
        .join('\n'),
    )
    return 0
  },
})

const dirOf = (dataDir: string | undefined, io: CommandIo): string =>
  dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR

export const keysImportCommand = defineCommand({
  path: 'keys import',
  group: 'trust',
  summary: 'Bring a key from another wallet or machine',
  description: [
    'Reads a Web3 Secret Storage v3 file (geth, MetaMask, Foundry) or a file with a private key of 32 bytes in hex, ' +
      'and stores the key encrypted in the data directory. A key that is there already is never overwritten.',
  ],
  positionals: { file: text({ summary: 'The file that holds the key', completes: 'file', required: true }) },
  options: {
    'source-passphrase-file': text({
      summary: 'File with the passphrase of the file that is read',
      completes: 'file',
      defaultText: 'a prompt, then the passphrase of the new file',
    }),
    ...keyCostOptions,
    'data-dir': configOptions['data-dir'],
    ...keyOptions,
  },
  examples: [['keys import UTC--2026-01-01--cafe.json', 'Use a key that was made elsewhere']],
  run: async (args, io) => {
    const { createKeyFile, fileExists } = await import('./key-file.js')
    const target = keyPathOf(args.dataDir, io)
    if (await fileExists(target))
      throw new UserError(`${target} exists; a key is never overwritten`, {
        code: 'EXISTS',
        remedy: 'move it away first, or choose another --data-dir',
      })
    const identity = await readForeignKey(args.file, args.sourcePassphraseFile, args.passphraseFile, io)
    const passphrase = await newPassphrase(args.passphraseFile, io)
    await createKeyFile(target, identity, passphrase, args.keyCost)
    const { address, peerId } = identity
    io.output.result({ address, peerId, path: target }, () =>
      [`Imported ${address}.`, '', `  key      ${target}`, `  peer id  ${peerId}`].join('\n'),
    )
    if (!io.output.isJson)
      io.output.note(`The source ${args.file} was left as it is; delete it if it is not encrypted.`)
    return 0
  },
})

async function readForeignKey(
  file: string,
  sourcePassphraseFile: string | undefined,
  passphraseFile: string | undefined,
  io: CommandIo,
) {
  const path = expandPath(file)
  const content = await readFile(path, 'utf8')
  if (content.length > MAX_KEY_FILE_BYTES)
    throw new UserError(`${path} is too large for a key file`, {
      code: 'BAD_KEY',
      remedy: 'name the right file',
    })
  const { Identity } = await import('../crypto/identity.js')
  const raw = RAW_KEY.exec(content)?.[1]
  if (raw !== undefined) {
    const secret = Uint8Array.from(Buffer.from(raw, 'hex'))
    try {
      return Identity.fromSecret(secret)
    } catch {
      throw new UserError(`${path} holds 32 bytes that are no secp256k1 key`, { code: 'BAD_KEY' })
    } finally {
      secret.fill(0)
    }
  }
  if (!content.trimStart().startsWith('{'))
    throw new UserError(`${path} is neither a v3 key file nor 32 bytes in hex`, {
      code: 'BAD_KEY',
      remedy: 'export the key as "JSON keystore" or hex where it is now',
    })
  const { decryptKeystore } = await import('../crypto/keystore.js')
  const { parseKeystore } = await import('../crypto/keystore-schema.js')
  // A malformed file is told before anybody types a passphrase.
  parseKeystore(content)
  return decryptKeystore(content, await sourcePassphrase())

  async function sourcePassphrase(): Promise<string> {
    if (sourcePassphraseFile !== undefined) {
      const { readPassphraseFile } = await import('../config/passphrase.js')
      return readPassphraseFile(sourcePassphraseFile)
    }
    if (canAsk(io)) return askPassphrase(io, `Passphrase of ${path}`)
    return newPassphrase(passphraseFile, io)
  }
}

export const keysExportCommand = defineCommand({
  path: 'keys export',
  group: 'trust',
  summary: 'Write a copy of the key to a file',
  description: [
    'The keystore format stays encrypted under the same passphrase. The hex format is the bare private key: whoever ' +
      'reads that file owns the node and its earnings. Either way the file is new, mode 0600, and nothing secret is ' +
      'shown on the terminal.',
  ],
  options: {
    out: text({ summary: 'The new file', completes: 'file', required: true }),
    format: choice(['keystore', 'hex'], { summary: 'Encrypted, or the bare key', default: 'keystore' }),
    yes: flag('Do not ask whether you are sure'),
    'data-dir': configOptions['data-dir'],
    ...keyOptions,
  },
  examples: [['keys export --out backup.json', 'Make an encrypted backup']],
  run: async (args, io) => {
    const out = expandPath(args.out)
    const { fileExists } = await import('./key-file.js')
    if (await fileExists(out))
      throw new UserError(`${out} exists`, { code: 'EXISTS', remedy: 'choose a new file' })
    // Opening it proves that the backup can be opened.
    const identity = await openIdentity(dirOf(args.dataDir, io), args.passphraseFile, io)
    const what = args.format === 'hex' ? 'the bare, unencrypted private key' : 'the encrypted key'
    if (!args.yes) {
      if (!canAsk(io))
        throw badArgument('keys export asks before it writes', 'add --yes where nobody can answer')
      if (!(await confirm(io, `Write ${what} of ${identity.address} to ${out}?`)))
        throw new UserError('nothing was written', { code: 'DENIED' })
    }
    const { writeNewPrivateFile } = await import('./private-file.js')
    if (args.format === 'hex')
      await identity.withSecret((secret) => {
        const digits = Buffer.from(secret).toString('hex')
        return writeNewPrivateFile(out, `0x${digits}\n`)
      })
    else {
      const { readKeystoreText } = await import('../crypto/keystore-file.js')
      await writeNewPrivateFile(out, await readKeystoreText(keyPathOf(args.dataDir, io)))
    }
    io.output.result(
      { path: out, format: args.format, address: identity.address },
      () => `Wrote ${what} of ${identity.address} to ${out}.`,
    )
    return 0
  },
})
