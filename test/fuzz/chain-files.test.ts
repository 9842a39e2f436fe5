/** What names contracts, and what a chain's server tells of its registry: files and answers from outside. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDeployment } from '../../src/chain/deployment.js'
import { type SeatEvent, SeatState } from '../../src/chain/seat-state.js'
import { identityOf } from '../support/challenge-builder.js'
import { hostileJson } from '../support/json-mutations.js'
import { fewRuns, isOneLine, readOrRefuse } from '../support/mutations.js'

const { address } = identityOf('contract')
const hex = (bytes: number) => 'ab'.repeat(bytes)
const deployment = {
  format: 'plumbline-deployment',
  version: 1,
  chainId: 31337,
  deployedAtBlock: 12,
  contracts: {
    stakeRegistry: address,
    beaconRegistry: null,
    attestationVerifier: address,
    challengeManager: address,
    disputeGame: address,
    paymentChannels: address,
  },
  absent: { beaconRegistry: 'the chain lacks EIP-2537' },
  beacons: [
    {
      kind: 'drand',
      chainHash: hex(32),
      publicKey: hex(96),
      genesisTimeSeconds: 1_600_000_000,
      periodSeconds: 3,
    },
  ],
}

describe('an addresses file', () => {
  it('is refused in one line, or read into what the same file says', () => {
    expect(parseDeployment(JSON.stringify(deployment), 'it').chainId).toBe(31337)
    fc.assert(
      fc.property(hostileJson(deployment), (text) => {
        const read = readOrRefuse(() => parseDeployment(text, 'addresses.json'))
        if (read === 'refused') return
        expect(readOrRefuse(() => parseDeployment(JSON.stringify(read), 'it'))).toEqual(read)
      }),
      { numRuns: fewRuns(0.2) },
    )
  })
})

const bytes = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((content) => `0x${Buffer.from(content).toString('hex')}` as const)
const node = fc.nat(3)
const key = fc.constantFrom(...['a', 'b', 'c'].map((name) => identityOf(name).address))
const uint = (max: number) => fc.oneof(fc.nat(4), fc.constant(max))
/** As the ABI decodes them: the types hold, the values are whatever a server made up. */
const seatEvent: fc.Arbitrary<SeatEvent> = fc
  .tuple(
    fc.oneof(
      fc.record({
        eventName: fc.constant('HotKeyBound' as const),
        args: fc.record({
          ...{ nodeId: node, hotKey: key, owner: key, salt: bytes(32) },
          expiry: fc.bigInt(0n, 2n ** 64n - 1n),
          signature: fc.oneof(bytes(65), bytes(0), bytes(1), bytes(64)),
        }),
      }),
      fc.record({
        eventName: fc.constant('NodeSeated' as const),
        args: fc.record({
          ...{ nodeId: node, record: uint(2 ** 32 - 1), hotKey: key, seats: uint(255) },
          endpoint: fc.record({
            host: bytes(16),
            udpPort: uint(65_535),
            uplinkKbps: uint(2 ** 32 - 1),
            addresses: fc.oneof(bytes(0), bytes(3), bytes(300)),
          }),
          firstSeat: fc.oneof(fc.bigInt(0n, 8n), fc.constant(2n ** 256n - 1n)),
        }),
      }),
      fc.record({
        eventName: fc.constant('RecordEnded' as const),
        args: fc.record({ nodeId: node, record: uint(2 ** 32 - 1) }),
      }),
      fc.record({
        eventName: fc.constant('SeatMoved' as const),
        args: fc.record({ from: fc.bigInt(0n, 8n), to: fc.bigInt(0n, 8n) }),
      }),
      fc.record({
        eventName: fc.constant('SeatRemoved' as const),
        args: fc.record({ index: fc.oneof(fc.bigInt(0n, 8n), fc.constant(2n ** 256n - 1n)) }),
      }),
    ),
    uint(2 ** 40),
  )
  .map(([event, timestamp]) => ({ ...event, timestamp }) as SeatEvent)

describe("a registry's events", () => {
  it('add up or are refused in one line, in whatever order a server tells them', () => {
    let applied = 0
    fc.assert(
      fc.property(fc.array(seatEvent, { maxLength: 12 }), (events) => {
        const state = new SeatState({ chainId: 31337, stakeRegistry: address })
        for (const event of events) if (readOrRefuse(() => state.apply(event)) !== 'refused') applied++
        expect(state.snapshotHash(2 ** 40)).toHaveLength(32)
      }),
      { numRuns: fewRuns(0.02) },
    )
    expect(applied).toBeGreaterThan(0)
  })

  it('give addresses that can be shown, whatever whoever registered wrote there', () => {
    const [owner, hotKey] = [address, identityOf('a').address]
    // Of some key: which one is for the contract to check.
    const consent = Buffer.from(identityOf('a').sign(new Uint8Array(32).fill(1))).toString('hex')
    let told = 0
    const text = fc.array(
      fc.oneof(fc.constant('/ip4/203.0.113.7/tcp/1'), fc.string({ unit: 'binary', maxLength: 40 })),
    )
    fc.assert(
      fc.property(text, (lines) => {
        const state = new SeatState({ chainId: 31337, stakeRegistry: address })
        const salt = `0x${hex(32)}` as const
        const signature = `0x${consent}` as const
        const bound = { nodeId: 0, hotKey, owner, salt, expiry: 1n, signature }
        state.apply({ eventName: 'HotKeyBound', args: bound, timestamp: 1 })
        const addresses = `0x${Buffer.from(lines.join('\n')).toString('hex')}` as const
        const endpoint = { host: `0x${hex(16)}` as const, udpPort: 1, uplinkKbps: 1, addresses }
        const seated = { nodeId: 0, record: 1, hotKey, endpoint, seats: 1, firstSeat: 0n }
        state.apply({ eventName: 'NodeSeated', args: seated, timestamp: 1 })
        for (const each of state.entryOf(hotKey)?.addresses ?? []) {
          told++
          expect(isOneLine(each)).toBe(true)
        }
      }),
      { numRuns: fewRuns(0.02) },
    )
    expect(told).toBeGreaterThan(0)
  })
})
