/** Buying a job from the network: which provider, for how much, and what is said before anything is sent. */
import type { Task } from '../inference/catalogue/card.js'
import type { Recipient } from '../inference/client/network-jobs.js'
import type { JobAnswer, JobInput, JobParameters, ServedModel } from '../inference/job.js'
import { paymentsTotal } from '../inference/payments-total.js'
import { configOptions, keyOptions } from './command.js'
import { plural, printable } from './format.js'
import type { CommandIo } from './io.js'
import { flag, list, type OptionSpecs, text } from './option.js'
import { Progress } from './progress.js'
import { type ConfigArguments, loadSettings, openIdentity, openLogger } from './settings.js'

export const buyOptions = {
  provider: list({
    summary: 'Buy from this provider, whose address ends with /p2p/ and its id',
    placeholder: 'multiaddr,...',
    defaultText: 'whoever is found',
  }),
  'max-price': text({
    summary: 'Refuse to pay more than this',
    placeholder: 'amount',
    defaultText: 'inference.client.maxPrice of the configuration',
  }),
  unaudited: flag('Let no auditor hear it, and keep nothing for an audit of your own'),
  bootstrap: list({ summary: 'Peers to find providers by', placeholder: 'multiaddr,...' }),
  ...configOptions,
  ...keyOptions,
} satisfies OptionSpecs

export interface BuyArguments extends ConfigArguments {
  readonly model: string | undefined
  readonly provider: readonly string[] | undefined
  readonly maxPrice: string | undefined
  readonly unaudited: boolean
  readonly bootstrap: readonly string[] | undefined
  readonly passphraseFile: string | undefined
}

export interface Purchase {
  readonly task: Task
  readonly input: JobInput
  readonly parameters: JobParameters
}

export interface Bought {
  readonly model: ServedModel
  readonly answer: JobAnswer
  /** From the search for a provider to the whole answer. */
  readonly wallMs: number
}

/** @throws UserError as `NetworkJobs.run` */
export async function buy(args: BuyArguments, purchase: Purchase, io: CommandIo): Promise<Bought> {
  const { openNetworkClient } = await import('../node/inference/client.js')
  const { parseAmount } = await import('../chain/ether.js')
  const maxPriceWei = args.maxPrice === undefined ? undefined : parseAmount(args.maxPrice)
  const { config, identity } = await whoBuys(args, io)
  const log = await openLogger({ ...config.logging, level: args.logLevel ?? 'error' })
  const progress = new Progress(io.stderr, io.env, !io.output.isJson)
  const started = performance.now()
  progress.live((elapsedMs) => `looking for a provider, ${(elapsedMs / 1000).toFixed(1)} s`)
  const client = await openNetworkClient({
    config,
    identity,
    log,
    ...(args.provider === undefined ? {} : { providers: args.provider }),
    ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
    ...(args.unaudited ? { audit: false } : {}),
    onRecipient: async (recipient) => {
      // A program that reads one object at the end could not learn it in time otherwise.
      const line = await recipientNote(recipient)
      if (io.output.mode === 'json') io.output.warn(line)
      else io.output.note(line)
      const { priceWei, mostLostWei, ...rest } = recipient
      io.output.event('recipient', {
        ...rest,
        priceWei: String(priceWei),
        mostLostWei: String(mostLostWei),
      })
      progress.live((elapsedMs) => `waiting for ${recipient.model}, ${(elapsedMs / 1000).toFixed(1)} s`)
    },
    onLock: async ({ payee, amountWei, isNew }) => {
      const { formatEther } = await import('../chain/ether.js')
      io.output.note(
        `${isNew ? 'Opening a payment channel with' : 'Adding to the payment channel with'} ${payee}: ${formatEther(amountWei)}.`,
      )
    },
  })
  try {
    const model = await chooseOffered(args, purchase, client.jobs, io.signal)
    const job = { ...purchase, model: model.sha256 }
    const answer = await client.jobs.run(job, { signal: io.signal })
    return { model, answer, wallMs: performance.now() - started }
  } finally {
    progress.stop()
    await client.close()
  }
}

/** The node's key and configuration; without a key, a passing one, which has no money. */
export async function whoBuys(
  args: Pick<BuyArguments, keyof ConfigArguments | 'bootstrap' | 'passphraseFile'>,
  io: CommandIo,
) {
  const { UserError } = await import('../errors.js')
  const { config } = await loadSettings(args, io, { 'network.bootstrap': args.bootstrap })
  try {
    return { config, identity: await openIdentity(config.dataDir, args.passphraseFile, io) }
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'NOT_FOUND') throw error
    const { Identity } = await import('../crypto/identity.js')
    return { config: { ...config, chain: { ...config.chain, rpcUrls: [] } }, identity: Identity.generate() }
  }
}

/** The cheapest that does it, or the one that was named. */
async function chooseOffered(
  { model: wanted }: BuyArguments,
  { task, parameters }: Purchase,
  jobs: { models(signal?: AbortSignal): Promise<readonly ServedModel[]> },
  signal: AbortSignal,
): Promise<ServedModel> {
  const { UserError } = await import('../errors.js')
  const offered = (await jobs.models(signal)).filter((model) => model.task === task)
  const { language } = parameters
  const knows = ({ languages }: ServedModel): boolean =>
    language === undefined || languages.length === 0 || languages.includes(language)
  const isWanted = ({ id, sha256 }: ServedModel): boolean =>
    wanted === undefined || id === wanted || sha256 === wanted.toLowerCase()
  const found = offered.find((model) => isWanted(model) && knows(model))
  if (found !== undefined) return found
  const names = [...new Set(offered.map(({ id }) => id))]
  throw new UserError(
    offered.length === 0
      ? `no provider was found that does ${task}`
      : `no provider offers ${wanted ?? `a model to ${task}`}${language === undefined ? '' : ` in ${language}`}`,
    {
      code: 'NOT_FOUND',
      remedy:
        names.length > 0
          ? `offered are ${names.map(printable).join(', ')}`
          : 'name one with --provider, peers to ask with --bootstrap, or run it here with --local',
    },
  )
}

const SECONDS_PER_HOUR = 3600

/** Who is going to hear it, before it leaves. */
export async function recipientNote({
  provider,
  addresses,
  model,
  units,
  priceWei,
  isAudited,
  keptSeconds,
  mostLostWei,
}: Recipient): Promise<string> {
  const { formatEther } = await import('../chain/ether.js')
  const where =
    addresses.find((each) => !/^\/(?:ip4\/127\.|ip6\/::1\/)/.test(each)) ?? addresses[0] ?? 'through a relay'
  const price =
    priceWei === 0n
      ? 'for nothing'
      : `for ${formatEther(priceWei, 'up')} (${plural(units, 'unit')}; at most ${formatEther(mostLostWei, 'up')} can be lost to it)`
  const kept = isAudited
    ? `It says that it keeps one such job in twenty, which a beacon draws, for ${plural(Math.round(keptSeconds / SECONDS_PER_HOUR), 'hour')}`
    : 'It says that it keeps nothing'
  return [
    `Sending it to ${printable(provider)} (${printable(where)}) to run ${printable(model)}, ${price}.`,
    `${kept}${isAudited ? ', and auditors may hear it, too' : ''}.`,
  ].join(' ')
}

/** What every command's result says of a purchase. */
export function boughtFields({ model, answer, wallMs }: Bought) {
  const { payments = [], runSeconds } = answer
  const total = paymentsTotal(payments)
  return {
    model: model.id,
    modelSha256: model.sha256,
    provider: total?.provider ?? model.ownedBy,
    priceWei: String(total?.priceWei ?? 0n),
    units: total?.units ?? null,
    receipt: total?.receipts ?? null,
    runMs: Math.round(runSeconds * 1000),
    wallMs: Math.round(wallMs),
  }
}
