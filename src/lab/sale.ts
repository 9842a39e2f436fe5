/**
 * Work sold in the laboratory: a provider beside the prover, a gateway beside the payer, and an app that asks it, each the
 * real program. What was bought is audited, and the provider redeems its voucher when it stops.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { UserError } from '../errors.js'
import type { AppAnswer, AppJob, AppMessage, AppSpec } from './app-child.js'
import type { LabChain } from './chain.js'
import type { ChannelFigures } from './chain-child.js'
import { endAll } from './child-set.js'
import type { LabFiles } from './daemon-files.js'
import { compiledEntry } from './entry.js'
import type { HostName, LabNetwork } from './network.js'

/** A receipt that was run again. */
export interface SaleAudit {
  readonly receipt: string
  readonly verdict: string
  readonly reason: string | null
}

export interface Sale {
  readonly jobs: readonly AppAnswer[]
  readonly audits: readonly SaleAudit[]
  /** The channel once the provider had redeemed. */
  readonly channel: ChannelFigures
}

export interface SaleModules {
  readonly network: LabNetwork
  readonly directory: string
  readonly files: LabFiles
  readonly chain: LabChain
}

/** Says "please press one to accept this call". */
const RECORDING = fileURLToPath(new URL('../../docs/sample.wav', import.meta.url))
const STARTED_MS = 180_000
/** The provider redeems before it ends. */
const STOP_MS = 30_000
const PROVIDER: HostName = 'prover-0'
const CLIENT: HostName = 'payer'

/** @throws UserError where a part of it does not come up or does not answer */
export async function sellJobs(
  modules: SaleModules,
  jobs: readonly AppJob[],
  signal?: AbortSignal,
): Promise<Sale> {
  const { files, chain } = modules
  const { sale } = files
  if (sale === undefined) throw new Error('the laboratory was built without a provider')
  const children: ChildProcess[] = []
  const start = (host: HostName, args: readonly string[]) =>
    startCommand(modules, children, host, args, signal)
  try {
    for (const { name, dataDir } of [sale.client, sale.provider]) await chain.join({ name, dataDir })
    const seller = await start(PROVIDER, ['provider', '--data-dir', sale.provider.dataDir])
    const buyer = await start(CLIENT, [
      'gateway',
      ...['--data-dir', sale.client.dataDir, '--listen', '127.0.0.1:0', '--provider', sale.providerAddress],
    ])
    const baseUrl = String(buyer.started.baseUrl)
    const answers = await askGateway(modules, children, { baseUrl, recording: RECORDING, jobs }, signal)
    await endAll([buyer.child], STOP_MS)
    const redeemed = endAll([seller.child], STOP_MS)
    const audits = await audit(modules, children, sale.client.dataDir, signal)
    await redeemed
    const channel = await chain.channel({
      payer: sale.client.identity.address,
      payee: sale.provider.identity.address,
    })
    return { jobs: answers, audits, channel }
  } finally {
    await endAll(children, STOP_MS)
  }
}

/** Every job that was bought, run again by another runtime. */
async function audit(
  modules: SaleModules,
  children: ChildProcess[],
  dataDir: string,
  signal: AbortSignal | undefined,
): Promise<readonly SaleAudit[]> {
  const { started } = await startCommand(
    modules,
    children,
    CLIENT,
    ['audit', '--all', '--data-dir', dataDir],
    signal,
    'result',
  )
  return started.jobs as readonly SaleAudit[]
}

async function askGateway(
  { network, directory, files }: SaleModules,
  children: ChildProcess[],
  spec: AppSpec,
  signal: AbortSignal | undefined,
): Promise<readonly AppAnswer[]> {
  const path = join(directory, 'app.spec.json')
  await writeFile(path, JSON.stringify(spec), { mode: 0o600 })
  const child = network.spawnIn(
    CLIENT,
    process.execPath,
    [compiledEntry(import.meta.url, './app-child.js')],
    {
      env: { ...environment(files), PLUMBLINE_LAB_SPEC: path },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    },
  )
  children.push(child)
  const complaint = lastWords(child)
  const over = new AbortController()
  const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
  try {
    const ended = once(child, 'exit', { signal: either }).then(() => undefined)
    const answered = once(child, 'message', { signal: either }).then(([message]) => message as AppMessage)
    const message = await Promise.race([answered, ended])
    if (message?.kind === 'answers') return message.answers
    throw new UserError(message?.message ?? `the app ended: ${complaint()}`, { code: 'UNAVAILABLE' })
  } finally {
    over.abort()
  }
}

interface Started {
  readonly child: ChildProcess
  /** The event that was waited for. */
  readonly started: Readonly<Record<string, unknown>>
}

/** One of our own commands as a process. @throws UserError where it ends, or takes too long, before the event */
async function startCommand(
  { network, files }: SaleModules,
  children: ChildProcess[],
  host: HostName,
  args: readonly string[],
  signal: AbortSignal | undefined,
  awaited = 'started',
): Promise<Started> {
  const main = compiledEntry(import.meta.url, '../cli/main.js')
  const child = network.spawnIn(host, process.execPath, [main, ...args, '--json-stream'], {
    env: environment(files),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const complaint = lastWords(child)
  const failed = (what: string): UserError =>
    new UserError(`${args[0]} ${what}: ${complaint()}`, { code: 'UNAVAILABLE' })
  const late = AbortSignal.timeout(STARTED_MS)
  const started = await new Promise<Started['started']>((resolve, reject) => {
    if (child.stdout === null) return reject(failed('has no output'))
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      const event = JSON.parse(line) as Started['started']
      if (event.event === awaited) resolve(event)
    })
    // After its last line: a command that ends has said its result.
    lines.once('close', () => reject(failed('ended')))
    child.once('error', reject)
    late.addEventListener('abort', () => reject(failed('did not come up')))
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
  return { child, started }
}

const environment = ({ passphraseFile }: LabFiles): NodeJS.ProcessEnv => ({
  ...process.env,
  PLUMBLINE_PASSPHRASE_FILE: passphraseFile,
})

const MOST_WORDS = 2000
function lastWords(child: ChildProcess): () => string {
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-MOST_WORDS)
  })
  return () => words.trim() || 'it said nothing'
}
