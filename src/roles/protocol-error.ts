/** A refusal that goes back to the asker in band. */

export type RefusalStatus = 'bad_request' | 'denied' | 'busy' | 'rate_limited' | 'not_found' | 'conflict'

export class Refusal extends Error {
  override readonly name = 'Refusal'
  constructor(
    readonly status: RefusalStatus,
    message: string,
  ) {
    super(message)
  }
}

/** @throws Refusal with `message` unless `condition`. */
export function ensure(condition: boolean, status: RefusalStatus, message: string): asserts condition {
  if (!condition) throw new Refusal(status, message)
}
