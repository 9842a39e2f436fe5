/** What `prover`, `challenger` and `node` share: their options, and running until a signal comes. */
import { parseQuietRange } from '../config/quiet-hours.js'
import type { Role } from '../config/schema.js'
import { UserError } from '../errors.js'
import { keepYoungGenerationSmall } from '../node/heap.js'
import { camelCase, configOptions, keyOptions, networkOptions } from './command.js'
import { CONFIG_FLAGS } from './config-flags.js'
import type { CommandIo } from './io.js'
import { type ArgsOf, badArgument, list, number, type OptionSpecs, text } from './option.js'
import { ROLE_NAMES } from './roles.js'
import { type ConfigArguments, loadSettings, openIdentity, openLogger } from './settings.js'
import { requireSaleable, soldPrices, soldText } from './sold-prices.js'
import { untilAborted } from './until-aborted.js'

const MAX_MBPS = 100_000
const MAX_PORT = 65_535
const SHOWN_MODELS = 12

export const proverOptions = {
  claim: number({
    summary: 'What this line is said to receive',
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
    defaultText: 'prover.claimMbps of the configuration',
  }),
  'max-claim': number({
    summary: 'Highest claim accepted in a request; bounds the data of a challenge',
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
  }),
  allow: list({
    summary: 'Who may ask for challenges; everybody unless given',
    placeholder: 'peer id or address,...',
  }),
  'data-cap': number({
    summary: 'Decline challenges beyond this much data in a month',
    placeholder: 'GiB',
    above: 0,
    max: 1_000_000,
  }),
  'quiet-hours': list({
    summary: 'Decline challenges in these hours, e.g. 22:00-06:00 (local time)',
    placeholder: 'from-to,...',
    check: parseQuietRange,
  }),
  'min-interval': number({
    summary: 'Least time between two challenges',
    placeholder: 'seconds',
    min: 0,
    max: 31_536_000,
    defaultText: '60',
  }),
} satisfies OptionSpecs

export const challengerOptions = {
  uplink: number({
    summary: 'What this line can send',
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
    defaultText: 'challenger.uplinkMbps of the configuration',
  }),
  operator: text({
    summary: 'Who runs this node; one member per operator serves at a time',
    placeholder: 'name',
  }),
  'udp-port': number({
    summary: 'Public UDP port that provers send to',
    placeholder: 'port',
    integer: true,
    min: 1,
    max: MAX_PORT,
    defaultText: '4022',
  }),
} satisfies OptionSpecs

export const providerOptions = {
  sell: list({
    summary: 'Models of the catalogue that are sold, each with its price a unit',
    placeholder: 'model=amount,...',
    defaultText: 'inference.provider.models of the configuration',
  }),
} satisfies OptionSpecs

export const daemonOptions = {
  ...networkOptions,
  relays: list({ summary: 'Relays to be reached through, behind NAT', placeholder: 'multiaddr,...' }),
  'metrics-port': text({
    summary: 'Prometheus metrics over HTTP, or off',
    placeholder: 'port',
    defaultText: 'off',
  }),
  ...configOptions,
  ...keyOptions,
} satisfies OptionSpecs

type AllArguments = Partial<
  ArgsOf<typeof proverOptions & typeof challengerOptions & typeof providerOptions & typeof daemonOptions>
>

/** Flags as configuration values by path; undefined ones do not count. */
export function configValues(args: AllArguments): Record<string, unknown> {
  const given = args as Readonly<Record<string, unknown>>
  const { metricsPort } = args
  return {
    ...Object.fromEntries(Object.entries(CONFIG_FLAGS).map(([path, flag]) => [path, given[camelCase(flag)]])),
    'metrics.port':
      metricsPort !== undefined && /^\d+$/.test(metricsPort) ? Number(metricsPort) : metricsPort,
  }
}

/** Runs the roles until the first signal, then stops in order. */
export async function runDaemon(
  args: AllArguments & ConfigArguments & { readonly passphraseFile: string | undefined },
  wanted: readonly Role[] | undefined,
  io: CommandIo,
): Promise<number> {
  const { claim, maxClaim } = args
  if (claim !== undefined && maxClaim !== undefined && claim > maxClaim)
    throw badArgument(`--claim ${claim} exceeds --max-claim ${maxClaim}`, 'raise the one or lower the other')
  const { config } = await loadSettings(args, io, configValues(args))
  const roles = wanted ?? config.roles
  if (roles.length === 0)
    throw new UserError('no role to play', {
      code: 'BAD_ARGUMENT',
      remedy: `give --roles ${ROLE_NAMES.slice(0, 2).join(',')}, or set roles in the configuration`,
      exitStatus: 2,
    })
  if (roles.includes('prover') && config.prover.claimMbps === undefined)
    throw new UserError('a prover needs a claim', {
      code: 'BAD_CONFIG',
      remedy: 'give --claim <Mbit/s>: what the line is said to receive',
      exitStatus: 2,
    })
  if (roles.includes('challenger') && config.challenger.uplinkMbps === undefined)
    throw new UserError('a challenger needs to know its uplink', {
      code: 'BAD_CONFIG',
      remedy: 'give --uplink <Mbit/s>: what the line can send',
      exitStatus: 2,
    })
  if (roles.includes('provider'))
    await requireSaleable(config, {
      isAskedNow: args.sell !== undefined,
      warn: (line) => io.output.warn(line),
    })
  const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
  const log = await openLogger(config.logging)
  keepYoungGenerationSmall()
  const { startDaemon } = await import('../node/daemon.js')
  const daemon = await startDaemon({ config, identity, roles, log })
  try {
    const started = { peerId: daemon.peerId, address: identity.address, addresses: daemon.addresses, roles }
    const sold = roles.includes('provider') ? await soldPrices(config) : []
    const models = sold.map((each) => ({ ...each, priceWeiPerUnit: String(each.priceWeiPerUnit) }))
    const told = roles.includes('provider') ? { ...started, models } : started
    const { formatEther } = await import('../chain/ether.js')
    const selling = sold.map((each) => soldText(each, (wei) => formatEther(wei, 'up')))
    if (io.output.mode === 'json-stream') io.output.event('started', told)
    else io.output.result(told, () => startedText(started, config.prover.claimMbps, selling))
    await untilAborted(io.signal)
    io.output.note('plumbline: stopping (again to force)')
  } finally {
    await daemon.stop()
  }
  io.output.event('stopped')
  return 0
}

interface Started {
  readonly peerId: string
  readonly address: string
  readonly addresses: readonly string[]
  readonly roles: readonly Role[]
}

/** @param selling a line for each model, of a provider */
export function startedText(
  started: Started,
  claimMbps: number | undefined,
  selling: readonly string[] = [],
): string {
  const { peerId, address, addresses, roles } = started
  const where = addresses.length === 0 ? ['nobody can dial this node; relays may reach it'] : addresses
  // A loopback address comes first where all interfaces listen, and leads nowhere from another machine.
  const fromElsewhere = addresses.find((each) => !/^\/(?:ip4\/127\.|ip6\/::1\/)/.test(each)) ?? addresses[0]
  const next = roles.includes('prover')
    ? [
        `Measure it from elsewhere:  plumbline measure ${fromElsewhere ?? peerId}${claimMbps === undefined ? '' : ` --claim ${claimMbps}`}`,
      ]
    : roles.includes('challenger')
      ? [`Join a registry: send its publisher what "plumbline registry entry" prints.`]
      : roles.includes('provider')
        ? [`Buy from it elsewhere:  plumbline transcribe talk.wav --provider ${fromElsewhere ?? peerId}`]
        : []
  return [
    `plumbline ${roles.join(', ')} is running; Ctrl-C stops it.`,
    '',
    `  peer id    ${peerId}`,
    `  address    ${address}`,
    ...where.map((each, i) => `  ${i === 0 ? 'listens on' : '          '} ${each}`),
    ...shownModels(selling).map((each, i) => `  ${i === 0 ? 'sells     ' : '          '} ${each}`),
    '',
    ...next,
  ].join('\n')
}

function shownModels(selling: readonly string[]): readonly string[] {
  const more = selling.length - SHOWN_MODELS
  return [...selling.slice(0, SHOWN_MODELS), ...(more > 0 ? [`and ${more} more`] : [])]
}
