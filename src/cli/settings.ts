/** What most commands begin with: the configuration, a logger, and the node's key. */
import { dataPaths } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Identity } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Logger, LogLevel } from '../telemetry/logger.js'
import { asUsageError } from './config-flags.js'
import type { CommandIo } from './io.js'
import { askNewPassphrase, askPassphrase, canAsk } from './prompt.js'

export interface ConfigArguments {
  readonly dataDir: string | undefined
  readonly config: string | undefined
  readonly logLevel: LogLevel | undefined
  readonly logFormat: 'pretty' | 'json' | undefined
}

export interface Settings {
  readonly config: Config
  /** The file that was read, if any. */
  readonly configPath: string | undefined
}

/** Loads the configuration; `values` are further flags by configuration path. Warnings go to standard error. */
export async function loadSettings(
  args: ConfigArguments,
  io: CommandIo,
  values: Readonly<Record<string, unknown>> = {},
): Promise<Settings> {
  const { loadConfig } = await import('../config/load.js')
  const { config, configPath, warnings } = await loadConfig({
    env: io.env,
    flags: {
      dataDir: args.dataDir,
      'logging.level': args.logLevel,
      'logging.format': args.logFormat,
      ...values,
    },
    ...(args.config === undefined ? {} : { configPath: args.config }),
  }).catch((error: unknown) => {
    throw asUsageError(error)
  })
  for (const warning of warnings) io.output.warn(warning)
  return { config, configPath }
}

/** A logger to standard error, or to `write` where a live line is to be kept whole. */
export async function openLogger(
  logging: { readonly level: LogLevel; readonly format: 'pretty' | 'json' },
  write?: (line: string) => void,
): Promise<Logger> {
  const { createLogger } = await import('../telemetry/logger.js')
  return createLogger({ ...logging, ...(write === undefined ? {} : { write }) })
}

/** The passphrase that was given by file or environment; undefined where a person must be asked. */
export async function givenPassphrase(
  passphraseFile: string | undefined,
  io: CommandIo,
): Promise<string | undefined> {
  const { passphraseFromEnvironment, readPassphraseFile } = await import('../config/passphrase.js')
  return passphraseFile === undefined ? passphraseFromEnvironment(io.env) : readPassphraseFile(passphraseFile)
}

/** @throws UserError BAD_KEY where nobody can be asked */
export async function newPassphrase(passphraseFile: string | undefined, io: CommandIo): Promise<string> {
  const given = await givenPassphrase(passphraseFile, io)
  if (given === '') throw new UserError('the passphrase is empty', { code: 'BAD_KEY', remedy: 'set one' })
  if (given !== undefined) return given
  if (!canAsk(io)) throw nobodyToAsk()
  return askNewPassphrase(io)
}

function nobodyToAsk(): UserError {
  return new UserError('the key needs a passphrase, and there is no terminal to ask for it', {
    code: 'BAD_KEY',
    remedy: 'use --passphrase-file, PLUMBLINE_PASSPHRASE_FILE or PLUMBLINE_PASSPHRASE',
  })
}

/**
 * The node's key, opened.
 * @throws UserError NOT_FOUND where `init` was never run, BAD_KEY for a wrong passphrase
 */
export async function openIdentity(
  dataDir: string,
  passphraseFile: string | undefined,
  io: CommandIo,
): Promise<Identity> {
  const { readKeystoreText } = await import('../crypto/keystore-file.js')
  const { decryptKeystore } = await import('../crypto/keystore.js')
  const path = dataPaths(dataDir).key
  // Read first: nobody should type a passphrase for a file that is not there.
  const text = await readKeystoreText(path)
  const passphrase = (await givenPassphrase(passphraseFile, io)) ?? (await ask())
  return decryptKeystore(text, passphrase)

  async function ask(): Promise<string> {
    if (!canAsk(io)) throw nobodyToAsk()
    return askPassphrase(io, `Passphrase for ${path}`)
  }
}
