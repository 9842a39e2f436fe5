/** The client's ledger and chain for who ends channels, without a network: nothing is bought. */
import { type Chain, type ChannelState, channelsContract, readChannel } from '../../chain/index.js'
import type { Config } from '../../config/schema.js'
import type { Address } from '../../crypto/address.js'
import type { Identity } from '../../crypto/identity.js'
import { ChannelNotes } from '../../inference/client/channel-notes.js'
import { type RefundModules, readOwnChannels } from '../../inference/client/refunds.js'
import { type ChannelStanding, channelStanding, Payer, paymentDomain } from '../../inference/payment/index.js'
import { openStore } from '../../store/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { openNodeChain } from '../chain/link.js'
import { clientLedger, openClientLedger } from './client-ledger.js'

export interface EndedChannel {
  readonly payee: Address
  readonly channelId: Uint8Array
  readonly endsAt: number
  readonly state: ChannelState
  readonly standing: ChannelStanding
}

export interface OwnChannels extends RefundModules {
  readonly chain: Chain
  /** Every channel of the ledger. */
  all(): Promise<readonly EndedChannel[]>
  /** The channel with a payee as the chain has it, whatever became of the ledger; undefined where none is open. */
  with(payee: Address): Promise<EndedChannel | undefined>
}

/** Nothing is bought with it. */
const NO_LIMITS = { exposureWei: 0n, maxJobs: 0 }

/** On this chain, and not closed: a ledger may have channels of other chains and contracts with the same payee. */
const isThere = ({ standing }: Pick<EndedChannel, 'standing'>): boolean =>
  standing === 'open' || standing === 'ending' || standing === 'over'

/** @throws UserError LOCKED while a client of this key runs; chain errors */
export async function withOwnChannels<T>(
  {
    config,
    identity,
    log,
    signal,
  }: {
    readonly config: Config
    readonly identity: Identity
    readonly log: Logger
    readonly signal: AbortSignal
  },
  use: (channels: OwnChannels) => Promise<T>,
): Promise<T> {
  const { dataDir } = config
  const { address } = identity
  const store =
    (await openClientLedger(dataDir, address)) ?? (await openStore(clientLedger(dataDir, address)))
  try {
    const chain = await openNodeChain({ config, identity, store, log }, signal)
    try {
      const domain = paymentDomain(chain.chainId, channelsContract(chain))
      const payer = await Payer.open({ domain, signer: identity, books: store.paymentsMade }, NO_LIMITS)
      const notes = await ChannelNotes.open(store.channelNotes)
      const all = async (): Promise<readonly EndedChannel[]> => {
        const accounts = payer.accounts()
        const left = (await readOwnChannels({ chain, address }, notes.leftWithout(accounts)))
          .filter(isThere)
          .map((each) => ({ ...each, account: { ...each.account, endsAt: each.state.endsAt } }))
        return [...(await readOwnChannels({ chain, address }, accounts)), ...left].map(
          ({ account: { payee, channelId, endsAt }, state, standing }) => {
            return { payee, channelId, endsAt, state, standing }
          },
        )
      }
      return await use({
        chain,
        payer,
        address,
        all,
        with: async (payee) => {
          const known = (await all()).find((each) => each.payee === payee && isThere(each))
          if (known !== undefined) return known
          const parties = { payer: address, payee }
          const state = await readChannel(chain, parties)
          if (!state.isOpen) return undefined
          const { nonce, endsAt } = state
          const channelId = new Uint8Array(Buffer.from(state.channelId.slice(2), 'hex'))
          const { timestamp } = await chain.clock()
          const standing = channelStanding(chain, { channelId, nonce, ...parties }, state, timestamp)
          return { payee, channelId, endsAt, state, standing }
        },
      })
    } finally {
      await chain.close()
    }
  } finally {
    await store.close()
  }
}
