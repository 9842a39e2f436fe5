/** Who does the work behind a gateway, and so who hears what it is given. */
import { expandPath } from '../config/paths.js'
import { TASKS, type Task } from '../inference/catalogue/card.js'
import type { JobSource } from '../inference/job.js'
import type { Logger } from '../telemetry/logger.js'
import { buyOptions, recipientNote, whoBuys } from './buy-options.js'
import { configOptions, keyOptions } from './command.js'
import { printable } from './format.js'
import { pairOf, requireThatMuch } from './gateway-arguments.js'
import type { CommandIo } from './io.js'
import { localMemory } from './model-options.js'
import { badArgument, flag, list, number, text } from './option.js'
import { requireNoBuying, requireNoMachine, requireNone } from './place-options.js'
import { RecipientsTold } from './recipients-told.js'
import type { ConfigArguments } from './settings.js'

const { provider, bootstrap, 'max-price': maxPrice, 'any-model': anyModel, unaudited } = buyOptions

export const gatewaySourceOptions = {
  provider,
  'max-price': maxPrice,
  'any-model': anyModel,
  unaudited,
  bootstrap,
  local: flag('Run models of this machine instead: nothing that is sent leaves it'),
  models: list({
    summary: 'With --local: models of the catalogue to serve',
    placeholder: 'name,...',
    defaultText: 'all',
  }),
  threads: number({
    summary: 'With --local: processor threads to use',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: 256,
    defaultText: 'all',
  }),
  memory: number({
    summary: 'With --local: most memory that all models together may take',
    placeholder: 'GiB',
    above: 0,
    defaultText: "inference.localMemoryGiB, else half of the machine's",
  }),
  upstream: text({
    summary: 'Have an OpenAI-compatible server do it instead: its base URL, as apps are given it',
    placeholder: 'URL',
  }),
  'upstream-model': list({
    summary: `With --upstream: what its models are for, where its list has only names (${TASKS.join(', ')})`,
    placeholder: 'name=task,...',
  }),
  'upstream-key-file': text({
    summary: 'With --upstream: file whose first line is the API key for it',
    completes: 'file',
    defaultText: 'none',
  }),
  ...configOptions,
  ...keyOptions,
} as const

export interface GatewaySourceArguments extends ConfigArguments {
  readonly provider: readonly string[] | undefined
  readonly maxPrice: string | undefined
  readonly anyModel: boolean
  readonly unaudited: boolean
  readonly bootstrap: readonly string[] | undefined
  readonly passphraseFile: string | undefined
  readonly local: boolean
  readonly models: readonly string[] | undefined
  readonly threads: number | undefined
  readonly memory: number | undefined
  readonly upstream: string | undefined
  readonly upstreamModel: readonly string[] | undefined
  readonly upstreamKeyFile: string | undefined
}

/** For the person who starts it, before anything is sent. */
export interface Audience {
  readonly kind: 'network' | 'local' | 'upstream'
  readonly heardBy: string
  readonly kept: string
}

export interface GatewaySource {
  readonly source: JobSource
  /** Most that one request may cost. */
  readonly maxPriceWei?: bigint
  readonly audience: Audience
}

/** @throws UserError */
export async function openGatewaySource(
  args: GatewaySourceArguments,
  io: CommandIo,
  { dataDir, log }: { readonly dataDir: string; readonly log: Logger },
): Promise<GatewaySource> {
  if (args.local && args.upstream !== undefined)
    throw badArgument('--local and --upstream exclude each other', 'leave one out')
  const isBought = !args.local && args.upstream === undefined
  if (!isBought) requireNoBuying(args, `leave out ${args.local ? '--local' : '--upstream'}`)
  if (args.local) requireThatMuch(args.memory)
  else requireNoMachine(args)
  if (args.upstream === undefined) {
    const { upstreamModel, upstreamKeyFile } = args
    const given = { 'upstream-model': upstreamModel, 'upstream-key-file': upstreamKeyFile }
    requireNone(given, 'a server behind the gateway', 'name it with --upstream')
  }
  if (args.local) return openLocal(args, await localMemory(args, io), dataDir, log)
  if (args.upstream !== undefined) return openUpstream(args, args.upstream)
  return openNetwork(args, io, log)
}

/** Whoever hears something for the first time is named to the person at the terminal; the log has them all. */
async function openNetwork(args: GatewaySourceArguments, io: CommandIo, log: Logger): Promise<GatewaySource> {
  const { openNetworkClient } = await import('../node/inference/client.js')
  const { formatEther, parseAmount } = await import('../chain/ether.js')
  const maxPriceWei = args.maxPrice === undefined ? undefined : parseAmount(args.maxPrice)
  const { config, identity } = await whoBuys(args, io)
  const { maxPrice: configured } = config.inference.client
  const mostWei = maxPriceWei ?? (configured === undefined ? undefined : parseAmount(configured))
  const known = new RecipientsTold()
  const client = await openNetworkClient({
    config,
    identity,
    log: log.child({ component: 'network' }),
    ...(args.provider === undefined ? {} : { providers: args.provider }),
    ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
    ...(args.unaudited ? { audit: false } : {}),
    isLasting: true,
    onRecipient: async (recipient) => {
      const { priceWei, mostLostWei, ...rest } = recipient
      const told = { ...rest, priceWei: String(priceWei), mostLostWei: String(mostLostWei) }
      io.output.event('recipient', told)
      log.debug(told, 'a job is sent')
      if (known.isNews(recipient, false)) io.output.note(await recipientNote(recipient))
      const risen = known.risen(recipient)
      if (risen === undefined) return
      const { fromWei, toWei } = risen
      io.output.note(
        `The price of ${printable(recipient.model)} rose from ${formatEther(fromWei, 'up')} to ${formatEther(toWei, 'up')} a unit.`,
      )
      const price = { model: recipient.model, provider: recipient.provider }
      io.output.event('price', { ...price, fromWei: String(fromWei), toWei: String(toWei) })
      log.info({ ...price, from: String(fromWei), to: String(toWei) }, 'the price of a model rose')
    },
    onGivenUp: (line) => io.output.warn(line),
    onLock: ({ payee, amountWei, isNew }) =>
      io.output.note(
        `${isNew ? 'Opening a payment channel with' : 'Adding to the payment channel with'} ${payee}: ${formatEther(amountWei)}.`,
      ),
  })
  const { Sureness } = await import('../inference/catalogue/sureness.js')
  const sureness = new Sureness(config.dataDir)
  const source: JobSource = {
    models: (signal) => client.jobs.models(signal),
    run: async (job, options) => sureness.judged(await client.jobs.run(job, options), job.model),
    unpayable: () => client.unpayable(),
    close: () => client.close(),
  }
  const audience: Audience = {
    kind: 'network',
    heardBy:
      args.provider === undefined
        ? 'the provider that offers the model for the least, named here when it first gets something'
        : 'the provider that you named',
    kept: (args.unaudited ? false : config.inference.client.audit)
      ? 'it says with each offer how long it keeps what it hears, and auditors may hear samples of what was paid for; ' +
        'this machine keeps what was paid for a day, and runs a twentieth again'
      : 'it says with each offer how long it keeps what it hears; no auditor hears it',
  }
  return { source, audience, ...(mostWei === undefined ? {} : { maxPriceWei: mostWei }) }
}

async function openLocal(
  { models, threads }: GatewaySourceArguments,
  memoryBytes: number | undefined,
  dataDir: string,
  log: Logger,
): Promise<GatewaySource> {
  const { LocalJobs } = await import('../inference/local/local-jobs.js')
  const { followHolds } = await import('../node/inference/standing-still.js')
  const jobs = await LocalJobs.open({
    dataDir,
    log: log.child({ component: 'models' }),
    ...(models === undefined ? {} : { names: models }),
    ...(threads === undefined ? {} : { threads }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    memorySetting: 'the limit (--memory, or inference.localMemoryGiB)',
  })
  // Of all there are, those that fit are served; those that were asked for must.
  const room = models === undefined ? jobs.requireRoomForOne() : jobs.requireRoom()
  await room.catch(async (error: unknown) => {
    await jobs.close()
    throw error
  })
  // A daemon beside it that measures, or is measured, comes first.
  const holds = followHolds(dataDir)
  holds.join(jobs)
  const source: JobSource = {
    models: () => jobs.models(),
    run: (job, options) => jobs.run(job, options),
    close: () => {
      holds.close()
      return jobs.close()
    },
  }
  const audience: Audience = {
    kind: 'local',
    heardBy: 'this machine alone',
    kept: 'nothing is kept when it is answered',
  }
  return { source, audience }
}

async function openUpstream(args: GatewaySourceArguments, baseUrl: string): Promise<GatewaySource> {
  const { UpstreamJobs } = await import('../inference/upstream/upstream-jobs.js')
  const apiKey = args.upstreamKeyFile === undefined ? undefined : await readKey(args.upstreamKeyFile)
  const source = new UpstreamJobs({
    baseUrl,
    tasks: new Map((args.upstreamModel ?? []).map(taskOf)),
    ...(apiKey === undefined ? {} : { apiKey }),
  })
  const audience: Audience = {
    kind: 'upstream',
    heardBy: `${source.name}, and whoever that server passes it on to`,
    kept: 'how long it keeps what it hears is for its operator to say',
  }
  return { source, audience }
}

function taskOf(item: string): readonly [string, Task] {
  const [name, word] = pairOf(item, '--upstream-model', 'name=task')
  const task = TASKS.find((each) => each === word)
  if (task === undefined) throw badArgument(`${word} is no task`, `choose one of ${TASKS.join(', ')}`)
  return [name, task]
}

/** @throws UserError for a file without a key that a header can carry */
async function readKey(path: string): Promise<string> {
  const { readPrivateFile } = await import('../inference/gateway/index.js')
  const [key = ''] = (await readPrivateFile(expandPath(path))).split(/\r?\n/, 1)
  if (!/^[\x21-\x7e]+$/.test(key)) throw badArgument(`${path} holds no API key in its first line`)
  return key
}
