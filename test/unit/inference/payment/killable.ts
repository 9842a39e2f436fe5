/** Starts, asks and kills one side of a channel: see doomed-ledger.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Address } from '../../../../src/crypto/address.js'
import type { Identity } from '../../../../src/crypto/identity.js'
import type { AskedJob, SignedReceipt, SignedVoucher } from '../../../../src/inference/payment/index.js'

export type Ask =
  | { readonly what: 'run'; readonly job: AskedJob; readonly n: number }
  | { readonly what: 'pay'; readonly voucher: SignedVoucher; readonly jobId: Uint8Array; readonly n: number }
  | { readonly what: 'have' | 'drop'; readonly jobId: Uint8Array }
  | { readonly what: 'receipts'; readonly from: number }
  | { readonly what: 'begin'; readonly job: AskedJob }
  | { readonly what: 'receive'; readonly receipt: SignedReceipt }
  | { readonly what: 'deliver'; readonly jobId: Uint8Array; readonly output: Uint8Array }
  | { readonly what: 'newest' | 'account' }

/** The answer never came: the process was killed. */
export class Killed extends Error {}

export class Killable {
  #child: ChildProcess | undefined
  #serial = 0
  readonly #spec: string
  kills = 0

  constructor(side: 'payer' | 'payee', directory: string, identity: Identity, other: Address) {
    const secret = identity.withSecret((bytes) => Buffer.from(bytes).toString('hex'))
    this.#spec = JSON.stringify({ side, directory, secret, other })
  }

  async start(): Promise<void> {
    const script = fileURLToPath(new URL('./doomed-ledger.ts', import.meta.url))
    this.#child = fork(script, [this.#spec], {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
      stdio: 'inherit',
    })
    await once(this.#child, 'message')
  }

  /** @param killAfterMs kills it so long after the question went out. @throws Killed where no answer came */
  async ask<T>(ask: Ask, killAfterMs?: number): Promise<T> {
    const child = this.#child
    if (child === undefined) throw new Error('not started')
    const serial = ++this.#serial
    const answered = new Promise<T>((resolve, reject) => {
      const ended = () => reject(new Killed(ask.what))
      const listen = (message: { serial: number; value: T; error?: string }) => {
        if (message.serial !== serial) return
        child.off('message', listen)
        child.off('exit', ended)
        if (message.error === undefined) resolve(message.value)
        else reject(new Error(message.error))
      }
      child.on('message', listen)
      child.once('exit', ended)
    })
    child.send({ serial, ask })
    if (killAfterMs !== undefined) {
      setTimeout(() => child.kill('SIGKILL'), killAfterMs)
      const gone = once(child, 'exit')
      const result = await answered.catch((error: unknown) => error)
      const [, signal] = await gone
      if (signal !== 'SIGKILL') throw new Error(`it ended by itself: ${signal}`)
      this.kills++
      await this.start()
      if (result instanceof Error) throw result
      return result as T
    }
    return answered
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}
