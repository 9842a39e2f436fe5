/** Buying a job from the network: which provider, for how much, and what is said before anything is sent. */
import type { Task } from '../inference/catalogue/card.js'
import type { Recipient } from '../inference/client/recipient.js'
import type { JobAnswer, JobInput, JobParameters, ServedModel } from '../inference/job.js'
import { chooseByName, chooseUnnamed, distinctModels, longId, publicId } from '../inference/model-rule.js'
import { paymentsTotal } from '../inference/payments-total.js'
import { configOptions, keyOptions } from './command.js'
import { plural, printable } from './format.js'
import type { CommandIo } from './io.js'
import { flag, list, type OptionSpecs, text } from './option.js'
import { Progress } from './progress.js'
import { RecipientsTold } from './recipients-told.js'
import { type ConfigArguments, loadSettings, openIdentity, openLogger } from './settings.js'

export const buyOptions = {
  provider: list({
    summary: 'Buy from this provider, whose address ends with /p2p/ and its id',
    placeholder: 'multiaddr,...',
    defaultText: 'whoever is found',
  }),
  'max-price': text({
    summary: 'Refuse to pay more than this, e.g. "50000 gwei" (a bare number: ETH)',
    placeholder: 'amount',
    defaultText: 'inference.client.maxPrice of the configuration',
  }),
  'any-model': flag(
    'Where nothing that is known here does it: take the cheapest that is offered, whatever its files are',
  ),
  unaudited: flag('Let no auditor hear it, and keep nothing for an audit of your own'),
  bootstrap: list({ summary: 'Peers to find providers by', placeholder: 'multiaddr,...' }),
  ...configOptions,
  ...keyOptions,
} satisfies OptionSpecs

/** For the help of the commands that buy. */
export const ONE_BUYER =
  'Without --local nothing else may be paying with this key meanwhile: where a gateway runs that does, ask it instead ' +
  '(curl http://127.0.0.1:4030/v1/models, unless it listens elsewhere), or stop it first.'

export interface BuyArguments extends ConfigArguments {
  readonly model: string | undefined
  readonly provider: readonly string[] | undefined
  readonly maxPrice: string | undefined
  readonly anyModel: boolean
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
  const { Sureness } = await import('../inference/catalogue/sureness.js')
  const { parseAmount } = await import('../chain/ether.js')
  const maxPriceWei = args.maxPrice === undefined ? undefined : parseAmount(args.maxPrice)
  const { config, identity } = await whoBuys(args, io)
  const log = await openLogger({ ...config.logging, level: args.logLevel ?? 'error' })
  const progress = new Progress(io.stderr, io.env, !io.output.isJson)
  const told = new RecipientsTold()
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
      if (told.isNews(recipient, true)) {
        const line = await recipientNote(recipient)
        progress.aside(() => (io.output.mode === 'json' ? io.output.warn(line) : io.output.note(line)))
      }
      const { priceWei, mostLostWei, ...rest } = recipient
      io.output.event('recipient', {
        ...rest,
        priceWei: String(priceWei),
        mostLostWei: String(mostLostWei),
      })
      progress.live(
        (elapsedMs) => `waiting for ${printable(recipient.model)}, ${(elapsedMs / 1000).toFixed(1)} s`,
      )
    },
    onGivenUp: (line) => progress.aside(() => io.output.warn(line)),
    onChainWait: (elapsedMs) =>
      progress.aside(() => io.output.note(`Still waiting for the chain, ${Math.round(elapsedMs / 1000)} s.`)),
    onLock: async ({ payee, amountWei, isNew }) => {
      const { formatEther } = await import('../chain/ether.js')
      const what = isNew ? 'Opening a payment channel with' : 'Adding to the payment channel with'
      progress.aside(() => io.output.note(`${what} ${payee}: ${formatEther(amountWei)}.`))
    },
  })
  try {
    const wanted = {
      model: args.model,
      isAnyTaken: args.anyModel || config.inference.client.anyModel,
      providers: args.provider?.length ?? 0,
    }
    const model = await chooseOffered(await client.jobs.models(io.signal), wanted, purchase)
    const job = { ...purchase, model: model.sha256 }
    const bought = await client.jobs.run(job, { signal: io.signal })
    const answer = await new Sureness(config.dataDir).judged(bought, job.model)
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

export interface WantedOffer {
  /** Name or hash; any that is known here unless given. */
  readonly model: string | undefined
  /** One that nobody here knows will do. */
  readonly isAnyTaken: boolean
  /** How many providers were named; 0 unless given. */
  readonly providers?: number
}

const MOST_SHOWN = 10

/**
 * The one that was named; else the cheapest that is known here (src/inference/model-rule.ts).
 * @param all that is offered
 * @throws UserError NOT_FOUND, DENIED with what is offered
 */
export async function chooseOffered(
  all: readonly ServedModel[],
  { model: wanted, isAnyTaken, providers = 0 }: WantedOffer,
  { task, parameters: { language } }: Pick<Purchase, 'task' | 'parameters'>,
): Promise<ServedModel> {
  const { UserError } = await import('../errors.js')
  const offered = distinctModels(all.filter((model) => model.task === task))
  const fitting = offered.filter(
    ({ languages }) => language === undefined || languages.length === 0 || languages.includes(language),
  )
  const what = `${wanted === undefined ? `a model to ${task}` : printable(wanted)}${language === undefined ? '' : ` in ${language}`}`
  const choice = wanted === undefined ? chooseUnnamed(fitting, isAnyTaken) : chooseByName(fitting, wanted)
  const shown = (models: readonly ServedModel[], name: (model: ServedModel) => string): string =>
    models
      .slice(0, MOST_SHOWN)
      .map((each) => printable(name(each)))
      .join(', ') + (models.length > MOST_SHOWN ? ` and ${models.length - MOST_SHOWN} more` : '')
  switch (choice.kind) {
    case 'found':
      return choice.model
    case 'absent':
      if (offered.length === 0 && providers > 0) {
        const sold = distinctModels(all)
        const only =
          sold.length === 0
            ? 'nothing that this node buys'
            : `${shown(sold, (each) => `${publicId(each, sold)} (${each.task})`)} only`
        throw new UserError(
          `the provider${providers === 1 ? '' : 's'} that you named sell${providers === 1 ? 's' : ''} ${only}`,
          {
            code: 'NOT_FOUND',
            remedy: `name one that does ${task} with --provider, leave it out, or run it here with --local`,
          },
        )
      }
      throw new UserError(
        offered.length === 0 ? `no provider was found that does ${task}` : `no provider offers ${what}`,
        {
          code: 'NOT_FOUND',
          remedy:
            offered.length > 0
              ? `offered are ${shown(offered, (each) => publicId(each, offered))}`
              : 'name one with --provider, peers to ask with --bootstrap, or run it here with --local',
        },
      )
    case 'ambiguous':
      throw new UserError(`${choice.models.length} models are called ${what}`, {
        code: 'DENIED',
        remedy: `say with --model which: ${shown(choice.models, longId)}`,
      })
    case 'namesakes':
      throw new UserError(`no provider offers the ${what} that is known here, but other files of that name`, {
        code: 'DENIED',
        remedy: `try again later, or name one of these with --model: ${shown(choice.models, longId)}`,
      })
    case 'unknown':
      throw new UserError(`no provider offers ${what} that is known here`, {
        code: 'DENIED',
        remedy: `name one with --model (${shown(choice.models, (each) => publicId(each, offered))}), or take the cheapest with --any-model`,
      })
  }
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
  isUnauditable,
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
  const time = plural(Math.ceil(keptSeconds / SECONDS_PER_HOUR), 'hour')
  const kept =
    keptSeconds === 0
      ? 'It says that it keeps nothing'
      : isAudited
        ? `It says that it keeps one such job in twenty, which a beacon draws, for ${time}`
        : `It says that it may keep what it hears for ${time}`
  if (isUnauditable)
    return (
      `Sending it to ${printable(provider)} (${printable(where)}), which has ${printable(model)} run by a server behind it, ` +
      `${price}. That server hears it too, and no audit can judge what it answers. ${kept}.`
    )
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
