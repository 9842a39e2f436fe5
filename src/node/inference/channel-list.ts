/** The payment channels of this key, as payer and as payee: what the ledgers say, beside what the chain says. */
import { existsSync } from 'node:fs'
import { bytesToHex } from '@noble/hashes/utils.js'
import { type Chain, formatEther, readChannel } from '../../chain/index.js'
import { dataPaths } from '../../config/paths.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { ChannelNotes } from '../../inference/client/channel-notes.js'
import { type OwnChannel, readOwnChannels } from '../../inference/client/refunds.js'
import {
  type ChannelStanding,
  channelStanding,
  type PayeeAccount,
  payerFree,
  storedPayeeAccounts,
  storedPayerAccounts,
} from '../../inference/payment/index.js'
import { callControlSocket } from '../../p2p/control-client.js'
import { openStore } from '../../store/index.js'
import { openClientLedger } from './client-ledger.js'

export interface ListedChannel {
  readonly role: 'payer' | 'payee'
  readonly channelId: string
  /** The other side. */
  readonly partner: Address
  readonly state: ChannelStanding
  readonly depositWei: string
  /** By the newest voucher. */
  readonly spentWei: string
  /** Null where the chain forgot it with the channel's end. */
  readonly redeemedWei: string | null
  /** Of the deposit, what no voucher and no job under way speaks for. */
  readonly freeWei: string
  /** Unix seconds; from then on it can be closed. */
  readonly endsAt: number
}

/** A payee's ledger entry, as a daemon tells it over its control socket. */
export interface EarningChannel {
  readonly channelId: string
  readonly payer: Address
  readonly nonce: number
  readonly depositWei: string
  readonly earnedWei: string
  readonly endsAt: number
}

/** Channels asked for at once. */
const BATCH = 16

export function earningChannel(account: PayeeAccount): EarningChannel {
  const { channelId, payer, nonce, depositWei, voucher, endsAt } = account
  return {
    channelId: `0x${bytesToHex(channelId)}`,
    payer,
    nonce,
    depositWei: String(depositWei),
    earnedWei: String(voucher?.amountWei ?? 0n),
    endsAt,
  }
}

/** By the newest vouchers, in wei; what a channel pays for may be less. */
export const unredeemedIn = (accounts: readonly PayeeAccount[]): bigint =>
  accounts.reduce((sum, { voucher, redeemedWei }) => sum + ((voucher?.amountWei ?? 0n) - redeemedWei), 0n)

/** What a provider is told of its channels that the chain has lost; undefined for none. */
export function unseenProblem(unseen: readonly PayeeAccount[]): string | undefined {
  const count = unseen.length
  if (count === 0) return undefined
  const channels = count === 1 ? '1 channel is' : `${count} channels are`
  return (
    `${channels} not on this chain any more: it began anew or took blocks back, unless chain.rpcUrls names another one; ` +
    `${formatEther(unredeemedIn(unseen))} of vouchers cannot be redeemed`
  )
}

/** @throws UserError LOCKED while a client of this key runs; chain errors */
export async function listChannels(
  chain: Chain,
  { dataDir, address }: { readonly dataDir: string; readonly address: Address },
): Promise<readonly ListedChannel[]> {
  const ledger = await openClientLedger(dataDir, address)
  const accounts = ledger === undefined ? [] : await storedPayerAccounts(ledger.paymentsMade)
  const left =
    ledger === undefined ? [] : (await ChannelNotes.open(ledger.channelNotes)).leftWithout(accounts)
  await ledger?.close()
  const paying = (await readOwnChannels({ chain, address }, accounts)).map(
    ({ account, state, standing }): ListedChannel => {
      const isOnChain = standing !== 'closed' && standing !== 'unseen' && standing !== 'elsewhere'
      return {
        role: 'payer',
        channelId: `0x${bytesToHex(account.channelId)}`,
        partner: account.payee,
        state: standing,
        depositWei: String(isOnChain ? state.depositWei : account.depositWei),
        spentWei: String(account.voucher?.amountWei ?? 0n),
        redeemedWei: isOnChain ? String(state.redeemedWei) : null,
        freeWei: String(standing === 'closed' || standing === 'unseen' ? 0n : payerFree(account)),
        endsAt: isOnChain ? state.endsAt : account.endsAt,
      }
    },
  )
  const given = (await readOwnChannels({ chain, address }, left)).filter(isOnChain).map(givenUp)
  return [...paying, ...given, ...(await listEarning(chain, dataDir, address))]
}

const isOnChain = ({ standing }: Pick<OwnChannel, 'standing'>): boolean =>
  standing === 'open' || standing === 'ending' || standing === 'over'

/** What another ledger of this key paid from: the rest comes back, less what it signed away. */
const givenUp = ({ account, state, standing }: OwnChannel): ListedChannel => ({
  role: 'payer',
  channelId: `0x${bytesToHex(account.channelId)}`,
  partner: account.payee,
  state: standing,
  depositWei: String(state.depositWei),
  spentWei: String(state.redeemedWei),
  redeemedWei: String(state.redeemedWei),
  freeWei: String(state.depositWei - state.redeemedWei),
  endsAt: state.endsAt,
})

async function listEarning(chain: Chain, dataDir: string, payee: Address): Promise<readonly ListedChannel[]> {
  const entries = await earningEntries(dataDir)
  const { timestamp } = await chain.clock()
  const listed: ListedChannel[] = []
  for (let at = 0; at < entries.length; at += BATCH)
    listed.push(
      ...(await Promise.all(
        entries.slice(at, at + BATCH).map(async (entry): Promise<ListedChannel> => {
          const { channelId, payer, nonce, depositWei, earnedWei, endsAt } = entry
          const state = await readChannel(chain, { payer, payee })
          const opening = {
            channelId: new Uint8Array(Buffer.from(channelId.slice(2), 'hex')),
            nonce,
            payer,
            payee,
          }
          const standing = channelStanding(chain, opening, state, timestamp)
          const isOnChain = standing !== 'closed' && standing !== 'unseen' && standing !== 'elsewhere'
          const free = BigInt(depositWei) - BigInt(earnedWei)
          return {
            role: 'payee',
            channelId,
            partner: payer,
            state: standing,
            depositWei,
            spentWei: earnedWei,
            redeemedWei: isOnChain ? String(state.redeemedWei) : null,
            freeWei: String(standing === 'closed' || standing === 'unseen' || free < 0n ? 0n : free),
            endsAt: isOnChain ? state.endsAt : endsAt,
          }
        }),
      )),
    )
  return listed
}

/** From the disk, or from the daemon that has it. */
async function earningEntries(dataDir: string): Promise<readonly EarningChannel[]> {
  const paths = dataPaths(dataDir)
  if (!existsSync(paths.store)) return []
  try {
    const store = await openStore(paths.store)
    try {
      return (await storedPayeeAccounts(store.paymentsEarned)).map(earningChannel)
    } finally {
      await store.close()
    }
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'LOCKED') throw error
    // Our own daemon wrote it: the socket is the owner's alone.
    return (await callControlSocket(paths.controlSocket, 'channels')) as readonly EarningChannel[]
  }
}
