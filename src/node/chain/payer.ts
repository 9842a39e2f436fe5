/** The payer on a chain: a venue for each measurement, and what its settlement came to. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSeatCache, readChallenge } from '../../chain/index.js'
import { addressOfPublicKey } from '../../crypto/address.js'
import type { Identity } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import type { ChallengeOutcome } from '../../roles/coordinator.js'
import type { Settlement } from '../../roles/measure-result.js'
import { openStore } from '../../store/index.js'
import type { MeasureCall, VenueParts, Venues } from '../measure.js'
import { openNodeChain } from './link.js'
import { ChainVenue } from './venue.js'

/** Opens the configured chain; transactions of an interrupted `measure` are taken up again. @throws UserError */
export async function openChainVenues(parts: VenueParts & { readonly identity: Identity }): Promise<Venues> {
  const { config, identity, log, beacon, fetchRound } = parts
  // A store of its own: the daemon may hold the node's.
  const directory = join(config.dataDir, 'chain', `payer-${identity.address}`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const store = await openStore(directory)
  const close = async () => {
    await chain?.close()
    await store.close()
  }
  let chain: Awaited<ReturnType<typeof openNodeChain>> | undefined
  try {
    chain = await openNodeChain({ config, identity, store, log })
    const open = chain
    const seats = await openSeatCache(open)
    return {
      close,
      forOne: (call: MeasureCall) => {
        const venue = new ChainVenue(
          { chain: open, seats, beacon, fetchRound },
          {
            refundTo: call.refundTo,
            slotFeeWei: call.slotFeeWei,
            maxPriceWei: call.maxPriceWei,
            confirm: call.confirm,
            onQuote: ({ feeWei, gasFeeWei, haveWei }) =>
              call.onProgress?.({
                event: 'quoted',
                feeWei: String(feeWei),
                gasFeeWei: String(gasFeeWei),
                haveWei: String(haveWei),
              }),
            onStep: ({ step, txHash, gasUsed, feeWei }) =>
              call.onProgress?.({
                event: 'transaction',
                step,
                txHash,
                gasUsed: Number(gasUsed),
                feeWei: String(feeWei),
              }),
          },
        )
        return {
          venue,
          confirm: (committeeSize: number) => venue.confirm(committeeSize, identity.address),
          settlement: async (outcome, signal) => {
            await settle(venue, outcome, signal).catch((error: unknown) => {
              // Another result on the chain is no delay.
              const isOther = error instanceof UserError && error.code === 'VERIFICATION_FAILED'
              if (signal?.aborted || isOther) throw error
              log.error({ err: error }, 'the result is signed, and not settled yet')
            })
            // The measurement stands whatever the servers do now.
            const state = await readChallenge(open, outcome.challengeId).catch(() => undefined)
            return settlementOf(venue, open.chainId, outcome, state?.status === 'settled')
          },
        }
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

function settle(venue: ChainVenue, outcome: ChallengeOutcome, signal?: AbortSignal): Promise<void> {
  const { request, challengeId, committee, assessment, evidenceHash, signatures } = outcome
  const { guaranteedKbps, estimateKbps, owed } = assessment
  const result = { evidenceHash, guaranteedKbps, estimateKbps, owed }
  return venue.settle({ request, challengeId, committee, result, signatures }, signal)
}

async function settlementOf(
  venue: ChainVenue,
  chainId: number,
  { challengeId, committee, assessment, request }: ChallengeOutcome,
  isSettled: boolean,
): Promise<Settlement> {
  const { steps, slotFeeWei } = venue
  const total = (of: 'gasUsed' | 'feeWei') => steps.reduce((sum, step) => sum + step[of], 0n)
  const isOwed = (i: number) => ((assessment.owed[31 - (i >> 3)] ?? 0) >> (i & 7)) & 1
  const owed = committee.members.filter((_, i) => isOwed(i))
  return {
    chainId,
    txHash: isSettled ? ((await venue.settlementOf(challengeId).catch(() => undefined)) ?? null) : null,
    gasUsed: Number(total('gasUsed')),
    feeWei: String(total('feeWei')),
    transactions: steps.map(({ step, txHash, gasUsed, feeWei }) => ({
      step,
      txHash,
      gasUsed: Number(gasUsed),
      feeWei: String(feeWei),
    })),
    paid: owed.map(({ publicKey }) => ({
      address: addressOfPublicKey(publicKey),
      amountWei: String(slotFeeWei),
    })),
    refundWei: String(slotFeeWei * BigInt(request.committeeSize - owed.length)),
  }
}
