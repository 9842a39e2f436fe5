/** What the chain commands share: their flags, the wallet that pays, and how a call is shown and sent. */
import { join } from 'node:path'
import type { CallPreview, Chain, ChainCall, ChainConnection, ChainSettings, Mined } from '../chain/index.js'
import { expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Identity } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Store } from '../store/index.js'
import { configOptions, keyOptions } from './command.js'
import { labelled } from './format.js'
import type { CommandIo } from './io.js'
import { flag, list, number, text } from './option.js'
import { askPassphrase, canAsk } from './prompt.js'
import { type ConfigArguments, givenPassphrase, loadSettings, openIdentity, openLogger } from './settings.js'

const LABEL_WIDTH = 14

/** Where the chain is. */
export const chainOptions = {
  rpc: list({
    summary: 'JSON-RPC servers of the chain, asked in this order',
    placeholder: 'URL,...',
    defaultText: 'chain.rpcUrls of the configuration',
  }),
  'chain-id': number({ summary: 'Refuse any other chain', placeholder: 'id', integer: true, min: 1 }),
  addresses: text({
    summary: "File with the contracts' addresses",
    completes: 'file',
    defaultText: 'deployments/<chain id>.json in the data directory',
  }),
  ...configOptions,
} as const

/** Who pays, and how much at most. */
export const walletOptions = {
  wallet: text({
    summary: 'Key file of the wallet that pays (Web3 Secret Storage)',
    completes: 'file',
    defaultText: "the node's key",
  }),
  'wallet-passphrase-file': text({
    summary: "File whose first line is the wallet's passphrase",
    completes: 'file',
    defaultText: 'a prompt, or PLUMBLINE_PASSPHRASE',
  }),
  'max-fee': number({
    summary: 'Pay at most this for a unit of gas',
    placeholder: 'gwei',
    above: 0,
    defaultText: 'chain.maxFeePerGasGwei of the configuration, or no limit',
  }),
  confirmations: number({
    summary: 'Blocks until a transaction counts as done',
    placeholder: 'blocks',
    integer: true,
    min: 1,
    max: 1000,
    defaultText: '3, or 1 on a development chain',
  }),
  'dry-run': flag('Show what it would do and cost, and send nothing'),
  ...keyOptions,
} as const

export interface ChainArguments extends ConfigArguments {
  readonly rpc: readonly string[] | undefined
  readonly chainId: number | undefined
  readonly addresses: string | undefined
}

export interface WalletArguments extends ChainArguments {
  readonly wallet: string | undefined
  readonly walletPassphraseFile: string | undefined
  readonly maxFee: number | undefined
  readonly confirmations: number | undefined
  readonly dryRun: boolean
  readonly passphraseFile: string | undefined
}

/** The configuration with the chain flags over it. */
export async function chainSettings(
  args: ChainArguments & Partial<WalletArguments>,
  io: CommandIo,
  flags: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly config: Config; readonly chain: ChainSettings }> {
  const { config } = await loadSettings(args, io, {
    ...flags,
    'chain.rpcUrls': args.rpc,
    'chain.chainId': args.chainId,
    'chain.addresses': args.addresses,
    'chain.maxFeePerGasGwei': args.maxFee,
    'chain.confirmations': args.confirmations,
  })
  const { addresses, ...chain } = config.chain
  return {
    config,
    chain: { ...chain, addresses: addresses === undefined ? undefined : expandPath(addresses) },
  }
}

/** The wallet of --wallet, otherwise the node's key. */
export async function openWallet(args: WalletArguments, config: Config, io: CommandIo): Promise<Identity> {
  if (args.wallet === undefined) return openIdentity(config.dataDir, args.passphraseFile, io)
  const { readKeystoreText } = await import('../crypto/keystore-file.js')
  const { decryptKeystore } = await import('../crypto/keystore.js')
  const path = expandPath(args.wallet)
  const keystore = await readKeystoreText(path)
  return decryptKeystore(keystore, await passphrase())

  async function passphrase(): Promise<string> {
    if (args.walletPassphraseFile !== undefined) {
      const { readPassphraseFile } = await import('../config/passphrase.js')
      return readPassphraseFile(args.walletPassphraseFile)
    }
    if (canAsk(io)) return askPassphrase(io, `Passphrase for ${path}`)
    const given = await givenPassphrase(undefined, io)
    if (given !== undefined) return given
    throw new UserError("the wallet's key needs a passphrase, and there is no terminal to ask for it", {
      code: 'BAD_KEY',
      remedy: 'use --wallet-passphrase-file',
    })
  }
}

/** A chain without a key: for looking. */
export async function withChain<T>(
  args: ChainArguments,
  io: CommandIo,
  use: (chain: Chain, config: Config) => Promise<T>,
): Promise<T> {
  const settings = await chainSettings(args, io)
  const { openConfiguredChain } = await import('../chain/index.js')
  const log = await openLogger(settings.config.logging)
  const { dataDir } = settings.config
  const chain = await openConfiguredChain(settings.chain, { dataDir, log, signal: io.signal })
  try {
    return await use(chain, settings.config)
  } finally {
    await chain.close()
  }
}

export interface WalletWorld<C extends ChainConnection = Chain> {
  readonly chain: C
  readonly config: Config
  readonly wallet: Identity
}

/**
 * A chain with the wallet that pays. What it sends is kept in `chain/<address>` of the data directory, so that an
 * interrupted command is taken up again by the next one.
 */
export async function withWallet<T>(
  args: WalletArguments,
  io: CommandIo,
  use: (world: WalletWorld) => Promise<T>,
): Promise<T> {
  return withPayingConnection(args, io, async ({ settings, config, wallet, store, log }) => {
    const { openConfiguredChain } = await import('../chain/index.js')
    const { dataDir } = config
    const chain = await openConfiguredChain(settings, {
      dataDir,
      identity: wallet,
      store,
      log,
      signal: io.signal,
    })
    try {
      return await use({ chain, config, wallet })
    } finally {
      await chain.close()
    }
  })
}

/** The same before any contract is there. */
export async function withConnection<T>(
  args: WalletArguments,
  io: CommandIo,
  use: (world: WalletWorld<ChainConnection>) => Promise<T>,
): Promise<T> {
  return withPayingConnection(args, io, async ({ settings, config, wallet, store, log }) => {
    const { connectChain, connectionOf } = await import('../chain/index.js')
    const options = { dataDir: config.dataDir, identity: wallet, store, log, signal: io.signal }
    const chain = await connectChain(connectionOf(settings, options))
    try {
      return await use({ chain, config, wallet })
    } finally {
      await chain.close()
    }
  })
}

interface Paying {
  readonly settings: ChainSettings
  readonly config: Config
  readonly wallet: Identity
  readonly store: Store
  readonly log: Awaited<ReturnType<typeof openLogger>>
}

async function withPayingConnection<T>(
  args: WalletArguments,
  io: CommandIo,
  use: (paying: Paying) => Promise<T>,
): Promise<T> {
  const { config, chain: settings } = await chainSettings(args, io)
  const wallet = await openWallet(args, config, io)
  const { openStore } = await import('../store/index.js')
  const store = await openStore(join(config.dataDir, 'chain', wallet.address.toLowerCase()))
  try {
    return await use({ settings, config, wallet, store, log: await openLogger(config.logging) })
  } finally {
    await store.close()
  }
}

/** A line before money moves, or the whole answer of --dry-run. */
export async function announceCall(
  chain: ChainConnection,
  call: ChainCall,
  io: CommandIo,
): Promise<CallPreview> {
  const { formatEther } = await import('../chain/index.js')
  if (chain.queue === undefined) throw new Error('a chain without a wallet')
  const preview = await chain.queue.preview(call)
  const value = preview.valueWei === 0n ? '' : `${formatEther(preview.valueWei)} and `
  io.output.note(
    `${call.what}: ${value}at most ${formatEther(preview.maxFeeWei)} for gas, from ${chain.queue.address}`,
  )
  return preview
}

/** Reports a call that was not sent. */
export async function reportDryRun(
  chain: ChainConnection,
  call: ChainCall,
  io: CommandIo,
  further: Readonly<Record<string, unknown>> = {},
): Promise<number> {
  const { formatEther, formatGwei } = await import('../chain/index.js')
  if (chain.queue === undefined) throw new Error('a chain without a wallet')
  const from = chain.queue.address
  const { gasLimit, fees, valueWei, maxFeeWei, needWei, haveWei } = await chain.queue.preview(call)
  const result = {
    dryRun: true,
    chainId: chain.chainId,
    what: call.what,
    from,
    ...further,
    gasLimit: gasLimit.toString(),
    maxFeePerGasWei: fees.maxFeePerGas.toString(),
    valueWei: valueWei.toString(),
    maxFeeWei: maxFeeWei.toString(),
    needWei: needWei.toString(),
    haveWei: haveWei.toString(),
  }
  const row = (label: string, value: string) => labelled(`  ${label}`, value, LABEL_WIDTH)
  io.output.result(result, () =>
    [
      `Nothing was sent. ${call.what} would do this on chain ${chain.chainId}:`,
      '',
      row('from', from),
      row('value', formatEther(valueWei)),
      row('gas', `at most ${gasLimit} at ${formatGwei(fees.maxFeePerGas)}: ${formatEther(maxFeeWei)}`),
      row('need', formatEther(needWei)),
      row('have', formatEther(haveWei)),
    ].join('\n'),
  )
  return 0
}

/** Of a transaction, for `--json`. */
export function minedJson({ hash, blockNumber, gasUsed, feeWei }: Mined) {
  return {
    txHash: hash,
    blockNumber: Number(blockNumber),
    gasUsed: Number(gasUsed),
    feeWei: feeWei.toString(),
  }
}

/** Rows for people, with the transaction's last. */
export async function minedText(
  title: string,
  rows: readonly (readonly [label: string, value: string])[],
  mined: Mined,
): Promise<string> {
  const { formatEther } = await import('../chain/index.js')
  const all: readonly (readonly [string, string])[] = [
    ...rows,
    ['transaction', mined.hash],
    ['gas', `${mined.gasUsed}, ${formatEther(mined.feeWei)}`],
  ]
  return [title, '', ...all.map(([label, value]) => labelled(`  ${label}`, value, LABEL_WIDTH))].join('\n')
}
