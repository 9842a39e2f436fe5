/** Options for one place where jobs run, given for another: they would do nothing, and nobody would be told. */
import type { BuyArguments } from './buy-options.js'
import { badArgument } from './option.js'

type BoughtArguments = Pick<BuyArguments, 'provider' | 'maxPrice' | 'anyModel' | 'unaudited' | 'bootstrap'>

export interface PlaceArguments extends BoughtArguments {
  readonly local: boolean
  readonly threads: number | undefined
  readonly memory: number | undefined
  /** Absent of a command that has no such option. */
  readonly int8?: boolean
}

/** Of commands that run one job. @throws UserError BAD_ARGUMENT */
export function requirePlace(args: PlaceArguments): void {
  if (args.local) requireNoBuying(args, 'leave out --local')
  else requireNoMachine(args)
}

/** @param instead what else to do than leave them out @throws UserError BAD_ARGUMENT */
export function requireNoBuying(
  { provider, maxPrice, anyModel, unaudited, bootstrap }: BoughtArguments,
  instead: string,
): void {
  const options = { provider, 'max-price': maxPrice, 'any-model': anyModel, unaudited, bootstrap }
  requireNone(options, 'what is bought from the network', instead)
}

/** @throws UserError BAD_ARGUMENT */
export function requireNoMachine({
  threads,
  memory,
  int8,
  models,
}: Pick<PlaceArguments, 'threads' | 'memory' | 'int8'> & { readonly models?: unknown }): void {
  requireNone({ models, threads, int8, memory }, 'models that run on this machine', 'add --local')
}

/**
 * @param options by name as it is typed: undefined, or false, where it was not given
 * @throws UserError BAD_ARGUMENT naming those that were
 */
export function requireNone(options: Readonly<Record<string, unknown>>, what: string, instead: string): void {
  const given = Object.entries(options)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name]) => `--${name}`)
  const [only, another] = given
  if (only === undefined) return
  throw another === undefined
    ? badArgument(`${only} is for ${what}`, `${instead}, or leave it out`)
    : badArgument(
        `${given.slice(0, -1).join(', ')} and ${given.at(-1)} are for ${what}`,
        `${instead}, or leave them out`,
      )
}
