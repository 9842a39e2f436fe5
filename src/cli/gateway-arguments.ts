/** Reads what a person typed for the gateway. */
import { expandPath } from '../config/paths.js'
import type { ApiKeys } from '../inference/gateway/index.js'
import type { CommandIo } from './io.js'
import { badArgument, quoted } from './option.js'

const KEYS_VARIABLE = 'PLUMBLINE_API_KEYS'
const MAX_PORT = 65_535

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

/** Of the file, else of the environment; undefined where there are none. @throws UserError */
export async function readGatewayKeys(path: string | undefined, io: CommandIo): Promise<ApiKeys | undefined> {
  const { parseApiKeys, readApiKeys } = await import('../inference/gateway/index.js')
  if (path !== undefined) return readApiKeys(expandPath(path))
  const text = io.env[KEYS_VARIABLE]
  return text === undefined || text === '' ? undefined : parseApiKeys(text, KEYS_VARIABLE, /,/)
}
