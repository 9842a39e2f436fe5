/** A challenge on a chain, from the payer's side: escrow, the round, the committee, settlement. */
import { toHex } from 'viem'
import {
  type Chain,
  type ChallengeQuote,
  chooseRound,
  chooseSnapshot,
  fixCommittee,
  lackOfMoney,
  type Mined,
  openChallenge,
  quoteChallenge,
  readChallenge,
  readSettlement,
  type SeatCache,
  settleChallenge,
  submitRound,
  toOutcome,
} from '../../chain/index.js'
import { type Address, addressOfPublicKey } from '../../crypto/address.js'
import { type BeaconInfo, timeOfRound } from '../../crypto/beacon.js'
import { UserError } from '../../errors.js'
import { poolOf } from '../../pob/committee.js'
import { sameBytes } from '../../pob/party.js'
import type { RegistryEntry } from '../../pob/registry.js'
import type { Request } from '../../pob/request.js'
import { type DrawTerms, seatCommittee } from '../../pob/seat-draw.js'
import type {
  AcceptedRequest,
  DrawnCommittee,
  DrawPool,
  SignedResult,
  Venue,
  VenueTerms,
} from '../../roles/venue.js'
import { whenReachable } from './when-reachable.js'

export const CHAIN_STEPS = ['open', 'round', 'committee', 'settle'] as const
export type ChainStepName = (typeof CHAIN_STEPS)[number]

/** One transaction of ours; a step that somebody else took first has none. */
export interface ChainStep {
  readonly step: ChainStepName
  readonly txHash: string
  readonly gasUsed: bigint
  readonly feeWei: bigint
}

export interface ChainVenueOptions {
  /** Where the escrow goes back to; the payer's own address unless given. */
  readonly refundTo?: Address | undefined
  /** Fee of one member; the least that the contract takes unless given. */
  readonly slotFeeWei?: bigint | undefined
  /** Fee and gas together at most; without a limit unless given. */
  readonly maxPriceWei?: bigint | undefined
  /** Asked once, before anything is paid; without it nobody is asked. */
  readonly confirm?: ((quote: ChallengeQuote & { readonly haveWei: bigint }) => Promise<boolean>) | undefined
  readonly onStep?: (step: ChainStep) => void
  readonly onQuote?: (quote: ChallengeQuote & { readonly haveWei: bigint }) => void
}

export interface ChainVenueModules {
  readonly chain: Chain
  readonly seats: SeatCache
  readonly beacon: BeaconInfo
  /** The verified signature of a round, waiting for it where it is not out yet. */
  readonly fetchRound: (round: number, signal?: AbortSignal) => Promise<Uint8Array>
}

/** For one challenge. */
export class ChainVenue implements Venue, DrawPool {
  readonly steps: ChainStep[] = []
  readonly poolCounts = false
  #snapshot = 0
  #drawTerms: DrawTerms | undefined
  #slotFeeWei = 0n

  constructor(
    readonly modules: ChainVenueModules,
    readonly options: ChainVenueOptions = {},
  ) {}

  /** What each member that served is owed. */
  get slotFeeWei(): bigint {
    return this.#slotFeeWei
  }

  async terms(): Promise<VenueTerms> {
    const { chain, beacon } = this.modules
    const { snapshot, registryHash } = await chooseSnapshot(chain)
    const { round, expiresAt } = await chooseRound(chain, beacon)
    this.#snapshot = snapshot
    return {
      chainId: chain.chainId,
      verifyingContract: chain.domain.verifyingContract,
      registryHash,
      beaconChain: beacon.chainHash,
      beaconRound: round,
      expiresAt,
    }
  }

  async requireCommittee(request: Request, signal?: AbortSignal): Promise<void> {
    const { chain, seats } = this.modules
    const { committeeSize } = request
    const slotFee = this.options.slotFeeWei
    const quote = await quoteChallenge(chain, {
      committeeSize,
      ...(slotFee === undefined ? {} : { slotFeeWei: slotFee }),
    })
    const payer = addressOfPublicKey(request.payer)
    const haveWei = await chain.client.getBalance({ address: payer })
    this.options.onQuote?.({ ...quote, haveWei })
    if (haveWei < quote.totalWei)
      throw lackOfMoney(
        `a challenge with ${committeeSize} members`,
        haveWei,
        quote.totalWei,
        `send ether to ${payer}, or ask for fewer --challengers`,
      )
    const { maxPriceWei } = this.options
    if (maxPriceWei !== undefined && quote.totalWei > maxPriceWei)
      throw lackOfMoney(
        `a challenge with ${committeeSize} members costs more than --max-price`,
        maxPriceWei,
        quote.totalWei,
        'raise --max-price, or ask for fewer --challengers',
      )
    await seats.sync({ signal })
    const pool = seats.entriesAt(this.#snapshot).length
    if (pool < committeeSize)
      throw new UserError(
        `the chain's registry has ${pool} challengers that have been there long enough, ${committeeSize} are asked for`,
        { code: 'UNAVAILABLE', remedy: 'lower --challengers and --faulty' },
      )
  }

  async pool(parties: Parameters<typeof poolOf>[1]): Promise<readonly RegistryEntry[]> {
    const { chain, seats } = this.modules
    const { snapshot } = await chooseSnapshot(chain)
    await seats.sync()
    return poolOf(seats.entriesAt(snapshot), parties)
  }

  /** Before a round is chosen: whoever decides may take a while. @throws UserError where the answer is no */
  async confirm(committeeSize: number, payer: Address): Promise<void> {
    const { confirm, slotFeeWei } = this.options
    if (confirm === undefined) return
    const { chain } = this.modules
    const quote = await quoteChallenge(chain, {
      committeeSize,
      ...(slotFeeWei === undefined ? {} : { slotFeeWei }),
    })
    const haveWei = await chain.client.getBalance({ address: payer })
    if (await confirm({ ...quote, haveWei })) return
    throw new UserError('nothing was paid', { code: 'INTERRUPTED', remedy: 'say yes, or give --yes' })
  }

  roundTime(request: Request): number {
    return timeOfRound(this.modules.beacon, request.beaconRound)
  }

  async opened(accepted: AcceptedRequest, signal?: AbortSignal): Promise<void> {
    const { request, acceptedAt, acceptanceSignature: acceptance } = accepted
    const refundTo = this.options.refundTo ?? addressOfPublicKey(request.payer)
    const { chain } = this.modules
    const opened = await openChallenge(
      chain,
      {
        request,
        snapshot: this.#snapshot,
        acceptedAt,
        acceptance,
        refundTo,
        slotFeeWei: this.options.slotFeeWei,
      },
      { signal },
    )
    this.#drawTerms = opened.terms
    this.#slotFeeWei = opened.slotFeeWei
    this.#note('open', opened)
  }

  async draw(request: Request, signal?: AbortSignal): Promise<DrawnCommittee> {
    const { chain, seats, fetchRound } = this.modules
    const terms = this.#drawTerms
    if (terms === undefined) throw new Error('the challenge is not open')
    const { beaconChain, beaconRound: round } = request
    const beaconSignature = await fetchRound(round, signal)
    const submitted = await whenReachable(
      () => submitRound(chain, { beaconChain, round, signature: beaconSignature }, { signal }),
      { signal },
    )
    if (!submitted.alreadyThere) this.#note('round', submitted)
    const fixed = await whenReachable(() => fixCommittee(chain, { request, terms }, { signal }), { signal })
    if (fixed.mined !== undefined) this.#note('committee', fixed.mined)
    if (fixed.status === 'void')
      throw new UserError(
        `the round drew too few challengers that can serve ${request.claimKbps / 1000} Mbit/s: fee and bond went back`,
        { code: 'UNAVAILABLE', remedy: 'lower --claim or --challengers, and measure again' },
      )
    await seats.sync({ signal })
    const entries = seats.entriesOf(fixed.committee)
    if (entries === undefined) throw new Error('the chain drew a member that its registry does not know')
    const committee = seatCommittee(request, entries)
    if (typeof committee === 'string')
      throw new UserError(
        committee === 'no_guarantee'
          ? 'these beta, delta and teams allow no guarantee'
          : 'the committee on the chain is too small for its teams',
        { code: 'UNAVAILABLE', remedy: 'ask for other --teams or --challengers' },
      )
    return { beaconSignature, committee }
  }

  async settle(signed: SignedResult, signal?: AbortSignal): Promise<void> {
    const { chain } = this.modules
    const challengeId = toHex(signed.challengeId)
    const committee = signed.committee.members.map(({ publicKey }) => addressOfPublicKey(publicKey))
    const { result, signatures } = signed
    try {
      this.#note(
        'settle',
        await whenReachable(
          () => settleChallenge(chain, { challengeId, committee, result, signatures }, { signal }),
          { signal },
        ),
      )
    } catch (error) {
      // A member may have been quicker: what counts is what the chain holds.
      const held = await readChallenge(chain, challengeId)
      if (held.status !== 'settled') throw error
      const isOurs =
        sameBytes(held.evidenceHash, result.evidenceHash) &&
        held.guaranteedKbps === result.guaranteedKbps &&
        held.estimateKbps === result.estimateKbps &&
        held.owed === toOutcome(result).owed
      if (isOurs) return
      throw new UserError(
        `a quorum settled another result: guaranteed ${held.guaranteedKbps} and estimate ${held.estimateKbps} kbit/s`,
        {
          code: 'VERIFICATION_FAILED',
          remedy: 'members that signed both can be slashed: plumbline chain dispute <transcript,...>',
          cause: error,
        },
      )
    }
  }

  /** The transaction that settled it, whoever sent it. */
  async settlementOf(challengeId: Uint8Array): Promise<string | undefined> {
    return (await readSettlement(this.modules.chain, challengeId))?.transactionHash
  }

  #note(step: ChainStepName, { hash, gasUsed, feeWei }: Mined): void {
    const noted = { step, txHash: hash, gasUsed, feeWei }
    this.steps.push(noted)
    this.options.onStep?.(noted)
  }
}
