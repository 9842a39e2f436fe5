/**
 * The registry's seats, rebuilt from its events alone: the same seats, records and running hash as the contract keeps
 * (contracts/src/StakeRegistry.sol), so that a draw and a snapshot's name can be computed and compared.
 */
import { encodeAbiParameters, type Hex, hexToBytes, keccak256, stringToBytes } from 'viem'
import type { Address } from '../crypto/address.js'
import { recoverPublicKey } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { RegistryEntry } from '../pob/registry.js'
import type { Seat, SeatRecord, SeatRegistry } from '../pob/seat-draw.js'
import { consentDigest } from './actions/consent.js'
import { hostFromBytes16, seatPrefix } from './host.js'

const DIGEST_BITS = 176n
const DIGEST_MASK = (1n << DIGEST_BITS) - 1n
const SNAPSHOT_TAG = keccak256(stringToBytes('plumbline/1/snapshot'))
const MAX_ADDRESSES = 8
const MAX_ADDRESS_LENGTH = 200
/** What a multiaddr is written with: whoever registers may put any bytes there. */
const ADDRESS = /^[\x21-\x7e]+$/

interface At {
  /** Unix seconds of the event's block. */
  readonly timestamp: number
}
export type SeatEvent = At &
  (
    | {
        readonly eventName: 'HotKeyBound'
        readonly args: {
          readonly nodeId: number
          readonly hotKey: Address
          readonly owner: Address
          readonly salt: Hex
          readonly expiry: bigint
          readonly signature: Hex
        }
      }
    | {
        readonly eventName: 'NodeSeated'
        readonly args: {
          readonly nodeId: number
          readonly record: number
          readonly hotKey: Address
          readonly endpoint: {
            readonly host: Hex
            readonly udpPort: number
            readonly uplinkKbps: number
            readonly addresses: Hex
          }
          readonly seats: number
          readonly firstSeat: bigint
        }
      }
    | {
        readonly eventName: 'RecordEnded'
        readonly args: { readonly nodeId: number; readonly record: number }
      }
    | { readonly eventName: 'SeatMoved'; readonly args: { readonly from: bigint; readonly to: bigint } }
    | { readonly eventName: 'SeatRemoved'; readonly args: { readonly index: bigint } }
  )

interface Mutable {
  record: SeatRecord
  readonly entry: RegistryEntry | undefined
  readonly seats: number
}

/** Seat count and running hash from a second on. */
interface Checkpoint {
  readonly second: number
  readonly value: bigint
}

export class SeatState implements SeatRegistry {
  readonly #seats: Seat[] = []
  readonly #records = new Map<number, Mutable>()
  readonly #owners = new Map<number, Address>()
  readonly #publicKeys = new Map<Address, Uint8Array>()
  readonly #history: Checkpoint[] = []
  readonly #chain: { readonly chainId: number; readonly stakeRegistry: Address }

  constructor(chain: { readonly chainId: number; readonly stakeRegistry: Address }) {
    this.#chain = chain
  }

  get seats(): readonly Seat[] {
    return this.#seats
  }

  record(id: number): SeatRecord | undefined {
    return this.#records.get(id)?.record
  }

  countAt(snapshot: number): number {
    return Number(this.#valueAt(snapshot) >> DIGEST_BITS)
  }

  /** The name of a past state, 32 bytes: `StakeRegistry.snapshotHash`. */
  snapshotHash(snapshot: number): Uint8Array {
    const value = this.#valueAt(snapshot)
    const encoded = encodeAbiParameters(
      ['bytes32', 'uint256', 'address', 'uint48', 'uint256', 'uint256'].map((type) => ({ type })),
      [
        SNAPSHOT_TAG,
        BigInt(this.#chain.chainId),
        this.#chain.stakeRegistry,
        snapshot,
        value >> DIGEST_BITS,
        value & DIGEST_MASK,
      ],
    )
    return keccak256(encoded, 'bytes')
  }

  /** Where a node serves, by the key of its current or a former record; the newest wins. */
  entryOf(hotKey: Address): RegistryEntry | undefined {
    let found: RegistryEntry | undefined
    for (const { record, entry } of this.#records.values())
      if (record.hotKey === hotKey) found = entry ?? found
    return found
  }

  /** Nodes with seats that were held at a snapshot. */
  entriesAt(snapshot: number): readonly RegistryEntry[] {
    return [...this.#records.values()].flatMap(({ record, entry, seats }) =>
      entry !== undefined &&
      seats > 0 &&
      record.since <= snapshot &&
      (record.until === 0 || record.until > snapshot)
        ? [entry]
        : [],
    )
  }

  /** Indices that `compact` would clear, given the chain's time and quarantine. */
  clearable(timestamp: number, quarantineSeconds: number): readonly number[] {
    return this.#seats.flatMap((seat, index) => {
      const end = seat.until !== 0 ? seat.until : (this.record(seat.record)?.until ?? 0)
      return end !== 0 && end + quarantineSeconds <= timestamp ? [index] : []
    })
  }

  /** Takes the next event, in the chain's order. @throws UserError VERIFICATION_FAILED where events are missing */
  apply(event: SeatEvent): void {
    const { timestamp } = event
    switch (event.eventName) {
      case 'HotKeyBound':
        this.#bind(event.args)
        break
      case 'NodeSeated':
        this.#seat(event.args, timestamp)
        break
      case 'RecordEnded':
        this.#end(event.args.record, timestamp)
        break
      case 'SeatMoved':
        this.#move(Number(event.args.from), Number(event.args.to), timestamp)
        break
      case 'SeatRemoved':
        this.#remove(Number(event.args.index), timestamp)
        break
    }
  }

  #bind({
    nodeId,
    hotKey,
    owner,
    salt,
    expiry,
    signature,
  }: (SeatEvent & { eventName: 'HotKeyBound' })['args']): void {
    this.#owners.set(nodeId, owner)
    const { chainId, stakeRegistry } = this.#chain
    const digest = consentDigest({ chainId, stakeRegistry, owner }, hotKey, hexToBytes(salt), expiry)
    const publicKey = recoverPublicKey(digest, hexToBytes(signature))
    if (publicKey !== undefined) this.#publicKeys.set(hotKey, publicKey)
  }

  #seat(args: (SeatEvent & { eventName: 'NodeSeated' })['args'], timestamp: number): void {
    const { nodeId, record: id, hotKey, endpoint, seats, firstSeat } = args
    const owner = this.#owners.get(nodeId)
    if (owner === undefined) throw gap(`node ${nodeId} was never bound to a cold wallet`)
    if (Number(firstSeat) !== this.#seats.length)
      throw gap(`node ${nodeId} takes seat ${firstSeat}, and there are ${this.#seats.length}`)
    const record: SeatRecord = {
      hotKey,
      owner,
      prefix: seatPrefix(endpoint.host),
      uplinkKbps: endpoint.uplinkKbps,
      since: timestamp,
      until: 0,
    }
    this.#records.set(id, { record, entry: this.#entryFrom(hotKey, owner, endpoint), seats })
    for (let i = 0; i < seats; i++) this.#seats.push({ record: id, since: timestamp, until: 0 })
    const { host, udpPort, uplinkKbps } = endpoint
    this.#note(
      timestamp,
      hashOf(
        ['uint32', 'address', 'address', 'bytes16', 'uint16', 'uint32', 'uint256', 'uint8'],
        [id, hotKey, owner, host, udpPort, uplinkKbps, firstSeat, seats],
      ),
    )
  }

  #entryFrom(
    hotKey: Address,
    owner: Address,
    endpoint: (SeatEvent & { eventName: 'NodeSeated' })['args']['endpoint'],
  ): RegistryEntry | undefined {
    const publicKey = this.#publicKeys.get(hotKey)
    if (publicKey === undefined) return undefined
    const addresses = new TextDecoder()
      .decode(hexToBytes(endpoint.addresses))
      .split('\n')
      .filter((each) => each.length <= MAX_ADDRESS_LENGTH && ADDRESS.test(each))
      .slice(0, MAX_ADDRESSES)
    const { udpPort, uplinkKbps } = endpoint
    return {
      publicKey,
      operator: owner,
      host: hostFromBytes16(endpoint.host),
      udpPort,
      addresses,
      uplinkKbps,
    }
  }

  #end(id: number, timestamp: number): void {
    const ended = this.#records.get(id)
    if (ended === undefined) throw gap(`record ${id} ends and never began`)
    ended.record = { ...ended.record, until: timestamp }
    this.#note(timestamp, hashOf(['uint32'], [id]))
  }

  #remove(index: number, timestamp: number): void {
    if (index !== this.#seats.length - 1) throw gap(`seat ${index} is removed and is not the last`)
    this.#seats.pop()
    this.#note(timestamp, hashOf(['uint256', 'string'], [BigInt(index), 'removed']))
  }

  #move(from: number, to: number, timestamp: number): void {
    const tail = this.#seats[from]
    if (tail === undefined || from !== this.#seats.length - 1 || to >= from)
      throw gap(`seat ${from} moves to ${to}, and there are ${this.#seats.length}`)
    this.#seats[to] = { record: tail.record, since: timestamp, until: 0 }
    this.#seats[from] = { ...tail, until: timestamp }
    this.#note(timestamp, hashOf(['uint256', 'uint256'], [BigInt(from), BigInt(to)]))
  }

  #note(timestamp: number, change: Hex): void {
    const latest = this.#history.at(-1)
    const hash = BigInt(hashOf(['uint208', 'bytes32'], [latest?.value ?? 0n, change]))
    const value = (BigInt(this.#seats.length) << DIGEST_BITS) | (hash & DIGEST_MASK)
    if (latest?.second === timestamp) this.#history.pop()
    this.#history.push({ second: timestamp, value })
  }

  /** The last checkpoint at or before a second. */
  #valueAt(snapshot: number): bigint {
    let [low, high] = [0, this.#history.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#history[middle]?.second ?? 0) <= snapshot) low = middle + 1
      else high = middle
    }
    return this.#history[low - 1]?.value ?? 0n
  }
}

/** keccak-256(abi.encode(...)) */
function hashOf(types: readonly string[], values: readonly unknown[]): Hex {
  return keccak256(
    encodeAbiParameters(
      types.map((type) => ({ type })),
      [...values],
    ),
  )
}

function gap(what: string): UserError {
  return new UserError(`the registry's events do not add up: ${what}`, {
    code: 'VERIFICATION_FAILED',
    remedy: 'the RPC server leaves events out: use another --rpc',
  })
}
