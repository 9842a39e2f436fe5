/** Reads what a person typed for the gateway. */
import { totalmem } from 'node:os'
import { expandPath } from '../config/paths.js'
import type { ApiKeys } from '../inference/gateway/index.js'
import type { ServedModel } from '../inference/job.js'
import { chooseByName, distinctModels, publicId } from '../inference/model-rule.js'
import { printable } from './format.js'
import type { CommandIo } from './io.js'
import { badArgument, quoted } from './option.js'

const KEYS_VARIABLE = 'PLUMBLINE_API_KEYS'
const MAX_PORT = 65_535
const MOST_SHOWN = 10
const BYTES_PER_GIB = 2 ** 30

/** `host:port`, `[::1]:port`. @throws UserError BAD_ARGUMENT */
export function listenAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || port > MAX_PORT)
    throw badArgument(
      `--listen expects host:port, not ${quoted(text)}`,
      'for example 127.0.0.1:4030 or [::1]:4030',
    )
  return { host, port }
}

/** `name=model` pairs. @throws UserError BAD_ARGUMENT */
export function aliasesOf(items: readonly string[]): ReadonlyMap<string, string> {
  return new Map(items.map((item) => pairOf(item, '--alias', 'name=model')))
}

/** Both sides of the last `=`: names of models may hold one. @throws UserError BAD_ARGUMENT */
export function pairOf(item: string, option: string, form: string): readonly [string, string] {
  const at = item.lastIndexOf('=')
  const [name, value] = [item.slice(0, Math.max(0, at)), item.slice(at + 1)]
  if (name === '' || value === '') throw badArgument(`${option} expects ${form}, not ${quoted(item)}`)
  return [name, value]
}

/** @throws UserError BAD_ARGUMENT for what no page's `Origin` ever says */
export async function originsOf(items: readonly string[]): Promise<readonly string[]> {
  const { originOf } = await import('../inference/gateway/index.js')
  for (const item of items) {
    const origin = originOf(item)
    if (origin === item) continue
    throw badArgument(
      `--cors-origin expects an origin as browsers write it, not ${quoted(item)}`,
      origin === undefined ? 'for example https://app.example, each by itself' : `write ${origin}`,
    )
  }
  return items
}

/** @throws UserError BAD_ARGUMENT for what no request's `Host` ever says */
export async function hostsOf(items: readonly string[]): Promise<readonly string[]> {
  const { isHostName } = await import('../inference/gateway/index.js')
  for (const item of items) {
    if (isHostName(item)) continue
    const name = item.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/(?::\d+)?(?:\/.*)?$/, '')
    throw badArgument(
      `--allow-host expects a host's name alone, not ${quoted(item)}`,
      isHostName(name) ? `write ${name}` : 'for example speech.example',
    )
  }
  return items
}

/**
 * Names that lead to no model: where all models are known from the start that is a mistake, elsewhere there may be one later.
 * @throws UserError BAD_ARGUMENT
 */
export async function checkAliases(
  aliases: ReadonlyMap<string, string>,
  models: readonly ServedModel[],
  { isFinal, warn }: { readonly isFinal: boolean; readonly warn: (message: string) => void },
): Promise<void> {
  const { ANY_MODEL } = await import('../inference/gateway/index.js')
  const distinct = distinctModels(models)
  const names = distinct.slice(0, MOST_SHOWN).map((model) => printable(publicId(model, distinct)))
  for (const [name, target] of aliases) {
    if (target === ANY_MODEL || chooseByName(distinct, target).kind === 'found') continue
    const what = `--alias ${printable(name)}=${printable(target)} leads to no model`
    if (isFinal)
      throw badArgument(
        `${what} that is served here`,
        names.length === 0 ? 'add one: plumbline models add <directory>' : `there are ${names.join(', ')}`,
      )
    // Where there is none at all another warning says so.
    if (names.length > 0) warn(`${what} that is offered so far; there are ${names.join(', ')}`)
  }
}

/** @param gib as it was given @throws UserError BAD_ARGUMENT with have and need where this machine has not so much */
export function requireThatMuch(gib: number | undefined): void {
  const haveGib = totalmem() / BYTES_PER_GIB
  if (gib === undefined || gib <= haveGib) return
  const have = (Math.floor(100 * haveGib) / 100).toFixed(2)
  throw badArgument(
    `--memory is more than this machine has: have ${have} GiB, need ${gib} GiB`,
    `give at most ${have}, or leave it out`,
  )
}

/** Of the file, else of the environment; undefined where there are none. @throws UserError */
export async function readGatewayKeys(path: string | undefined, io: CommandIo): Promise<ApiKeys | undefined> {
  const { parseApiKeys, readApiKeys } = await import('../inference/gateway/index.js')
  if (path !== undefined) return readApiKeys(expandPath(path))
  const text = io.env[KEYS_VARIABLE]
  return text === undefined || text === '' ? undefined : parseApiKeys(text, KEYS_VARIABLE, /,/)
}
