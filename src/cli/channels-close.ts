/** `plumbline channels close`: ends channels that this key pays into, and takes the rest of their deposits back. */
import type { ChainCall } from '../chain/index.js'
import { UserError } from '../errors.js'
import type { EndedChannel, OwnChannels } from '../node/inference/own-channels.js'
import { chainOptions, chainSettings, walletOptions } from './chain-options.js'
import { defineCommand } from './command.js'
import { plural } from './format.js'
import { formatMoment } from './history-chart.js'
import type { CommandIo } from './io.js'
import { badArgument, flag, text } from './option.js'
import { canAsk, confirm } from './prompt.js'
import { openIdentity, openLogger } from './settings.js'

const MS_PER_SECOND = 1000
const ADDRESS = /^0x[0-9a-f]{40}$/i
/** Fewer digits of an id are too easily another one's. */
const LEAST_ID_DIGITS = 6

const { 'max-fee': maxFee, confirmations, 'passphrase-file': passphraseFile } = walletOptions

export const channelsCloseCommand = defineCommand({
  path: 'channels close',
  group: 'chain',
  summary: 'End payment channels, and take the rest of their deposits back',
  description: [
    'A channel that runs is asked to end: its payee then has the challenge period (a day on public chains) to redeem ' +
      'what it was paid. Once it is over, the same command closes it, and the rest of the deposit goes to the cold ' +
      'wallet that the registry knows this key by, otherwise to the key itself. Gateways do the second step by themselves.',
    'A channel whose ledger was lost is named by its provider: nothing but what was signed away can be missing.',
  ],
  positionals: {
    channel: text({ summary: 'Its id or the first digits of it, or the address of the provider' }),
  },
  options: {
    all: flag('Every channel that this key pays into'),
    yes: flag('Do not ask before gas is paid'),
    ...chainOptions,
    'max-fee': maxFee,
    confirmations,
    'passphrase-file': passphraseFile,
  },
  examples: [
    ['channels close --all', 'Leave every provider; run it again when the channels are over'],
    ['channels close 0x5c1f90aa --yes', 'One of them, without a question'],
  ],
  run: async (args, io) => {
    if ((args.channel === undefined) !== args.all)
      throw badArgument('channels close wants a channel or --all', 'see them with "plumbline channels list"')
    if (!args.yes && !canAsk(io))
      throw badArgument('closing a channel costs gas, and there is no terminal to ask at', 'give --yes')
    const { config } = await chainSettings(args, io)
    if (config.chain.rpcUrls.length === 0)
      throw new UserError('channels are on a chain, and none is configured', {
        code: 'BAD_CONFIG',
        remedy: 'give --rpc, or set chain.rpcUrls',
        exitStatus: 2,
      })
    const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
    const log = await openLogger({ ...config.logging, level: args.logLevel ?? 'error' })
    const { withOwnChannels } = await import('../node/inference/own-channels.js')
    return withOwnChannels({ config, identity, log, signal: io.signal }, async (own) => {
      const chosen = args.channel === undefined ? await own.all() : [await chooseChannel(own, args.channel)]
      const steps = await planned(own, chosen)
      if (!(await isAgreed(own, steps, args.yes, io)))
        throw new UserError('nothing was sent', { code: 'DENIED', remedy: 'say yes, or give --yes' })
      const done: DoneStep[] = []
      for (const step of steps) {
        const each = await carryOut(own, step, io.signal)
        io.output.event('channel', { ...each })
        done.push(each)
      }
      const { formatEther } = await import('../chain/ether.js')
      const sum = (values: readonly string[]) =>
        String(values.reduce((total, each) => total + BigInt(each), 0n))
      const result = {
        chainId: own.chain.chainId,
        address: own.address,
        channels: done,
        refundWei: sum(done.map(({ refundWei }) => refundWei)),
        feeWei: sum(done.map(({ feeWei }) => feeWei)),
      }
      io.output.result(result, () =>
        [
          ...(done.length === 0
            ? ['There is no channel to close.']
            : done.map((each) => doneText(each, formatEther))),
          `${formatEther(BigInt(result.refundWei))} came back; ${formatEther(BigInt(result.feeWei))} were paid for gas.`,
        ].join('\n'),
      )
      return 0
    })
  },
})

/** @throws UserError NOT_FOUND, BAD_ARGUMENT */
async function chooseChannel(own: OwnChannels, named: string): Promise<EndedChannel> {
  if (ADDRESS.test(named)) {
    const { parseAddress } = await import('../crypto/address.js')
    const found = await own.with(parseAddress(named))
    if (found !== undefined) return found
    throw new UserError(`there is no open channel from ${own.address} to ${named}`, { code: 'NOT_FOUND' })
  }
  const digits = named.toLowerCase().replace(/^0x/, '')
  if (!/^[0-9a-f]+$/.test(digits) || digits.length < LEAST_ID_DIGITS)
    throw badArgument(
      `${named} names no channel`,
      `give its id, ${LEAST_ID_DIGITS} digits of it at least, or the provider's address`,
    )
  const found = (await own.all()).filter(({ channelId }) =>
    Buffer.from(channelId).toString('hex').startsWith(digits),
  )
  const [first] = found
  if (first === undefined)
    throw new UserError(`this key pays into no channel ${named}`, {
      code: 'NOT_FOUND',
      remedy: 'see them with "plumbline channels list"; those that clients pay into are theirs to close',
    })
  if (found.length > 1) throw badArgument(`${named} begins ${found.length} channels' ids`, 'give more digits')
  return first
}

interface Step {
  readonly channel: EndedChannel
  readonly action: 'ask' | 'take' | 'none'
  /** Of the gas, at most. */
  readonly maxFeeWei: bigint
  readonly haveWei: bigint
}

async function planned(own: OwnChannels, channels: readonly EndedChannel[]): Promise<readonly Step[]> {
  const { closeChannelCall, requestChannelCloseCall } = await import('../chain/index.js')
  const { chain, address } = own
  const steps: Step[] = []
  for (const channel of channels) {
    const parties = { payer: address, payee: channel.payee }
    const call: ChainCall | undefined =
      channel.standing === 'open'
        ? requestChannelCloseCall(chain, parties)
        : channel.standing === 'over'
          ? closeChannelCall(chain, parties)
          : undefined
    if (chain.queue === undefined) throw new Error('a chain without a key')
    const preview = call === undefined ? undefined : await chain.queue.preview(call)
    steps.push({
      channel,
      action: call === undefined ? 'none' : channel.standing === 'open' ? 'ask' : 'take',
      maxFeeWei: preview?.maxFeeWei ?? 0n,
      haveWei: preview?.haveWei ?? 0n,
    })
  }
  return steps
}

/** Says what it is about and what it costs, and asks unless told not to. */
async function isAgreed(
  own: OwnChannels,
  steps: readonly Step[],
  isYes: boolean,
  io: CommandIo,
): Promise<boolean> {
  const { formatEther } = await import('../chain/ether.js')
  const costing = steps.filter(({ action }) => action !== 'none')
  const [first] = costing
  if (first === undefined) return true
  const backWei = costing
    .filter(({ action }) => action === 'take')
    .reduce((sum, { channel: { state } }) => sum + state.depositWei - state.redeemedWei, 0n)
  const asked = costing.filter(({ action }) => action === 'ask').length
  const gasWei = costing.reduce((sum, { maxFeeWei }) => sum + maxFeeWei, 0n)
  const words = [
    ...(backWei > 0n ? [`${formatEther(backWei)} come back now`] : []),
    ...(asked > 0
      ? [
          `${plural(asked, 'channel')} will be over at ${formatMoment(Date.now() + own.chain.terms.channelChallengeSeconds * MS_PER_SECOND)}`,
        ]
      : []),
  ]
  const line = `${words.join('; ')}. Gas may come to ${formatEther(gasWei)}; you have ${formatEther(first.haveWei)}.`
  if (isYes) {
    io.output.note(line)
    return true
  }
  io.stderr.write(`${line}\n`)
  return confirm(io, 'Go on?')
}

interface DoneStep {
  readonly channelId: string
  readonly payee: string
  readonly action: 'asked' | 'closed' | 'waiting' | 'kept' | 'forgotten' | 'untouched'
  readonly endsAt: number
  readonly refundWei: string
  readonly feeWei: string
  readonly txHash: string | null
}

async function carryOut(own: OwnChannels, { channel, action }: Step, signal: AbortSignal): Promise<DoneStep> {
  const { askForEnd, forgetInTime, takeBack } = await import('../inference/client/refunds.js')
  const { payee, endsAt, standing } = channel
  const channelId = `0x${Buffer.from(channel.channelId).toString('hex')}`
  const nothing = { channelId, payee, endsAt, refundWei: '0', feeWei: '0', txHash: null }
  if (action === 'ask') {
    const asked = await askForEnd(own, channel, signal)
    return {
      ...nothing,
      action: 'asked',
      endsAt: asked.endsAt,
      feeWei: String(asked.feeWei),
      txHash: asked.hash,
    }
  }
  if (action === 'take') {
    const { refundWei, feeWei, hash } = await takeBack(own, channel, signal)
    return {
      ...nothing,
      action: 'closed',
      refundWei: String(refundWei),
      feeWei: String(feeWei),
      txHash: hash,
    }
  }
  if (standing === 'ending') return { ...nothing, action: 'waiting' }
  if (standing !== 'closed') return { ...nothing, action: 'untouched' }
  const isForgotten = await forgetInTime(own, own.payer.account(channel.channelId))
  return { ...nothing, action: isForgotten ? 'forgotten' : 'kept' }
}

function doneText(
  { channelId, action, endsAt, refundWei }: DoneStep,
  ether: (wei: bigint) => string,
): string {
  const when = formatMoment(endsAt * MS_PER_SECOND)
  const words = {
    asked: `ends at ${when}: run this again then`,
    closed: `closed, ${ether(BigInt(refundWei))} came back`,
    waiting: `ends at ${when} already: run this again then`,
    kept: 'was closed; its receipts are kept for a week, as evidence',
    forgotten: 'was closed, and is forgotten',
    untouched: 'is not on this chain, or not yet: nothing of it can come back here',
  } as const satisfies Readonly<Record<DoneStep['action'], string>>
  return `${channelId.slice(0, 12)} ${words[action]}.`
}
