/** Events over any number of blocks: asked for in ranges that shrink where a server limits them. */
import {
  type AbiEvent,
  type Address,
  type GetLogsReturnType,
  LimitExceededRpcError,
  type PublicClient,
  RpcRequestError,
} from 'viem'
import { explainChainError, rpcMessage } from './reverts.js'

/** Public servers allow 500 to 10,000 blocks; it shrinks by halves where one allows less. */
const FIRST_RANGE = 5000n
const MAX_RANGE = 50_000n
/** Events held at once; a scan for more must be cut by its caller. */
const MAX_LOGS = 500_000

export interface LogRange<events extends readonly AbiEvent[]> {
  readonly address: Address | readonly Address[]
  readonly events: events
  /** Indexed arguments that a log must have, any of several values; with a single event only. */
  readonly args?: Readonly<Record<string, unknown>> | undefined
  readonly fromBlock: bigint
  readonly toBlock: bigint
  readonly signal?: AbortSignal | undefined
}

/** Whether an answer to eth_getLogs says that the range was too large. */
export function isRangeLimit(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof LimitExceededRpcError || error instanceof RpcRequestError)
    return /range|limit|exceed|too many|too large|more than|response size|-32005/i.test(
      `${rpcMessage(error)} ${error.code}`,
    )
  return isRangeLimit(error.cause)
}

/** Decoded events in the order of the chain. */
export async function readLogs<const events extends readonly AbiEvent[]>(
  client: PublicClient,
  { address, events, args, fromBlock, toBlock, signal }: LogRange<events>,
): Promise<GetLogsReturnType<undefined, events, true, bigint, bigint>> {
  const [event, ...others] = events
  if (args !== undefined && others.length > 0) throw new RangeError('arguments are of a single event')
  const wanted = args === undefined ? { events } : { event, args }
  const all: unknown[] = []
  let range = FIRST_RANGE
  let from = fromBlock
  while (from <= toBlock) {
    signal?.throwIfAborted()
    const to = from + range - 1n < toBlock ? from + range - 1n : toBlock
    try {
      const target = typeof address === 'string' ? address : [...address]
      const logs = await client.getLogs({
        address: target,
        ...(wanted as { readonly events: events }),
        fromBlock: from,
        toBlock: to,
        strict: true,
      })
      all.push(...logs)
      if (all.length > MAX_LOGS) throw new RangeError(`more than ${MAX_LOGS} events`)
      from = to + 1n
      if (range < MAX_RANGE) range *= 2n
    } catch (error) {
      if (range === 1n || !isRangeLimit(error)) throw explainChainError(error, 'reading events')
      range /= 2n
    }
  }
  return all as unknown as GetLogsReturnType<undefined, events, true, bigint, bigint>
}
