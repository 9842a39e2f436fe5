/**
 * The laboratory's payer: a process of its own in the payer's namespace, which measures as often as its parent asks over
 * the IPC channel. Messages in: {run} | {assign}; out: {ready} | {assigned} | {progress} | {result} | {error}.
 */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import type { MeasureOrder } from '../node/measure.js'
import { openPayer } from '../node/measure.js'
import type { JointMeasurement, JointPlace } from '../node/measure-joint.js'
import { honestCoordinator } from '../roles/behaviour.js'
import type { ProgressEvent } from '../roles/coordinator.js'
import type { MeasureResult } from '../roles/measure-result.js'
import { createLogger } from '../telemetry/logger.js'
import type { CoordinatorAttack } from './adversary/attack.js'
import { corruptCoordinator } from './adversary/coordinator.js'
import { SideChannel } from './adversary/side-channel.js'

export interface PayerSpec {
  readonly dataDir: string
  readonly passphraseFile: string
  readonly order: MeasureOrder
  /** Several provers, each alone and then together. */
  readonly targets?: readonly string[]
  /** Escrow and settle on the chain of the configuration. */
  readonly onChain: boolean
  /** Where it may be told to misbehave. */
  readonly sideChannelPath?: string
}

/** How it behaves from now on: null for honestly. */
export interface PayerAssignment {
  readonly assign: readonly CoordinatorAttack[] | null
}

/** Ends the run under way: what is left of it would spoil the next. */
export interface PayerStop {
  readonly stop: true
}

export type PayerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'assigned' }
  | { readonly kind: 'progress'; readonly event: ProgressEvent }
  | { readonly kind: 'result'; readonly result: MeasureResult }
  | { readonly kind: 'joint'; readonly result: JointMeasurement }
  | { readonly kind: 'error'; readonly message: string }

const send = (message: PayerMessage) => process.send?.(message)

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as PayerSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const identity = await loadIdentity(
    dataPaths(spec.dataDir).key,
    await readPassphraseFile(spec.passphraseFile),
  )
  const { sideChannelPath } = spec
  const behaviour = { ...honestCoordinator }
  const channel = sideChannelPath === undefined ? undefined : new SideChannel(sideChannelPath)
  const payer = await openPayer({
    config,
    identity,
    log: createLogger({ level: config.logging.level, format: 'json' }),
    onChain: spec.onChain,
    behaviour,
  })
  let current = new AbortController()
  process.on('message', async (message: PayerAssignment | { readonly run: number } | PayerStop) => {
    if ('stop' in message) {
      current.abort(new Error('the laboratory gave this run up'))
      return
    }
    if ('assign' in message) {
      const { assign } = message
      const corrupt = assign !== null && channel !== undefined
      Object.assign(
        behaviour,
        honestCoordinator,
        corrupt ? corruptCoordinator(assign, { identity, channel }) : {},
      )
      send({ kind: 'assigned' })
      return
    }
    current = new AbortController()
    const { signal } = current
    try {
      const onProgress = (event: ProgressEvent) => void send({ kind: 'progress', event })
      if (spec.targets !== undefined) {
        const { order, targets } = spec
        const call = {
          ...order,
          targets,
          onProgress: (_: JointPlace, event: ProgressEvent) => onProgress(event),
          signal,
        }
        send({ kind: 'joint', result: await payer.measureJoint(call) })
        return
      }
      send({ kind: 'result', result: await payer.measure({ ...spec.order, onProgress, signal }) })
    } catch (error) {
      send({ kind: 'error', message: error instanceof Error ? error.message : String(error) })
    }
  })
  process.once('disconnect', () => process.exit(0))
  send({ kind: 'ready' })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
