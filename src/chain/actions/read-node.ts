/** A node as the registry has it now. */
import { zeroAddress } from 'viem'
import type { Address } from '../../crypto/address.js'
import type { Chain } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'

export interface NodeState {
  readonly nodeId: number
  /** The cold wallet. */
  readonly owner: Address
  /** 0 where it left or was slashed. */
  readonly record: number
  /** The key of its current record; zero where it has none. */
  readonly hotKey: Address
  readonly seats: number
  readonly uplinkKbps: number
  /** Unix seconds. */
  readonly changedAt: number
  /** Since when its record is as it is; 0 without one. */
  readonly since: number
  /** Leaving stake, not withdrawn yet. */
  readonly unbondingWei: bigint
  /** Unix seconds at which it can be withdrawn. */
  readonly unbondedAt: number
  /** Everything a fault would cost a part of. */
  readonly stakeWei: bigint
}

/** Undefined for a key or id that was never registered. */
export async function readNode(chain: Chain, which: Address | number): Promise<NodeState | undefined> {
  const registry = { address: chain.deployment.contracts.stakeRegistry, abi: stakeRegistryAbi } as const
  const { client } = chain
  const nodeId =
    typeof which === 'number'
      ? which
      : await client.readContract({ ...registry, functionName: 'nodeOf', args: [which] })
  if (nodeId === 0) return undefined
  const [node, stakeWei] = await Promise.all([
    client.readContract({ ...registry, functionName: 'nodeAt', args: [nodeId] }),
    client.readContract({ ...registry, functionName: 'stakeOf', args: [nodeId] }),
  ])
  if (node.owner === zeroAddress) return undefined
  const record = await client.readContract({ ...registry, functionName: 'recordAt', args: [node.record] })
  return {
    nodeId,
    owner: node.owner,
    record: node.record,
    hotKey: record.hotKey,
    seats: node.seats,
    uplinkKbps: record.uplinkKbps,
    changedAt: node.changedAt,
    since: record.since,
    unbondingWei: node.unbonding,
    unbondedAt: node.unbondedAt,
    stakeWei,
  }
}
