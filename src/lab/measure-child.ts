/**
 * The laboratory's payer: a process of its own in the payer's namespace, which measures as often as its parent asks over
 * the IPC channel. Messages in: {run}; out: {ready} | {progress} | {result} | {error}.
 */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import type { MeasureOrder } from '../node/measure.js'
import { openPayer } from '../node/measure.js'
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
  /** Escrow and settle on the chain of the configuration. */
  readonly onChain: boolean
  /** Of a coordinator that misbehaves. */
  readonly corrupt?: { readonly attacks: readonly CoordinatorAttack[]; readonly sideChannelPath: string }
}

export type PayerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly event: ProgressEvent }
  | { readonly kind: 'result'; readonly result: MeasureResult }
  | { readonly kind: 'error'; readonly message: string }

const send = (message: PayerMessage) => process.send?.(message)

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as PayerSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const identity = await loadIdentity(
    dataPaths(spec.dataDir).key,
    await readPassphraseFile(spec.passphraseFile),
  )
  const payer = await openPayer({
    config,
    identity,
    log: createLogger({ level: config.logging.level, format: 'json' }),
    onChain: spec.onChain,
    ...(spec.corrupt === undefined
      ? {}
      : {
          behaviour: corruptCoordinator(spec.corrupt.attacks, {
            identity,
            channel: new SideChannel(spec.corrupt.sideChannelPath),
          }),
        }),
  })
  process.on('message', async () => {
    try {
      const onProgress = (event: ProgressEvent) => void send({ kind: 'progress', event })
      send({ kind: 'result', result: await payer.measure({ ...spec.order, onProgress }) })
    } catch (error) {
      send({ kind: 'error', message: error instanceof Error ? error.message : String(error) })
    }
  })
  process.once('disconnect', () => process.exit(0))
  send({ kind: 'ready' })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
