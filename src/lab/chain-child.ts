/**
 * The laboratory's chain: a development chain with the contracts, in the beacon's namespace. It registers every daemon
 * with a cold wallet of its own, and tells afterwards what was verified, done and paid. Keys are thrown away with it.
 */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { hexToBytes } from '@noble/hashes/utils.js'
import { decodeFunctionData, type Hex } from 'viem'
import {
  type ChannelParties,
  challengeManagerAbi,
  channelsContract,
  depositBond,
  findClaims,
  openChain,
  openSeatCache,
  parseAmount,
  paymentChannelsAbi,
  readChallenge,
  readChannel,
  readCredits,
  readProverAccount,
  registerNode,
  signConsent,
  startDevChain,
  withdrawRefund,
  writeDeployment,
} from '../chain/index.js'
import { readPassphraseFile } from '../config/passphrase.js'
import { dataPaths } from '../config/paths.js'
import type { Address } from '../crypto/address.js'
import { localBeacon } from '../crypto/beacon.js'
import { Identity } from '../crypto/identity.js'
import { loadIdentity } from '../crypto/keystore-file.js'
import { readChainRecord } from '../node/chain/record.js'
import { verifyTranscript } from '../pob/verify.js'
import { serveCalls } from './child-calls.js'

export interface ChainNode {
  readonly name: string
  readonly dataDir: string
  readonly host: string
  /** 0 for a node without seats. */
  readonly udpPort: number
  readonly uplinkKbps: number
  readonly addresses: readonly string[]
}

export interface ChainSpec {
  readonly host: string
  readonly port: number
  readonly beaconSecretPath: string
  readonly genesisTimeSeconds: number
  readonly periodSeconds: number
  readonly addressesPath: string
  readonly passphraseFile: string
  readonly challengers: readonly ChainNode[]
  readonly prover: ChainNode
  readonly payer: { readonly name: string; readonly dataDir: string }
}

/** Amounts in wei, as decimal texts. */
export interface PartyAccount {
  readonly party: string
  readonly address: Address
  /** What it sent to the contracts since everybody was registered. */
  readonly did: readonly string[]
  readonly gasUsed: number
  readonly beforeWei: string
  readonly afterWei: string
}

export interface ChainAccount {
  /** Closed, and every fee that was earned is paid out. */
  readonly isFinal: boolean
  readonly parties: readonly PartyAccount[]
}

/** A payment channel, amounts in wei as decimal texts. */
export interface ChannelFigures {
  readonly depositWei: string
  readonly redeemedWei: string
}

export interface ChainVerdict {
  readonly level: string | null
  readonly faults: readonly string[]
  readonly milliseconds: number
}

const COLD_ETHER = parseAmount('10')
const GAS_ETHER = parseAmount('1')
const DEPOSIT = parseAmount('1')
const CONSENT_SECONDS = 3600
/** In words: `open` alone is a challenge's. */
const CHANNEL_STEPS: Readonly<Record<string, string>> = {
  open: 'open channel',
  topUp: 'top up channel',
  redeem: 'redeem',
  redeemMany: 'redeem',
}

const channelStep = (data: Hex): string => {
  const { functionName } = decodeFunctionData({ abi: paymentChannelsAbi, data })
  return CHANNEL_STEPS[functionName] ?? functionName
}

interface Party {
  readonly name: string
  readonly hot: Identity
  readonly cold: Address
  before: bigint
}

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as ChainSpec
  const secret = hexToBytes((await readFile(spec.beaconSecretPath, 'utf8')).trim())
  const { genesisTimeSeconds, periodSeconds } = spec
  const beacon = localBeacon(secret, spec)
  const dev = await startDevChain({
    host: spec.host,
    port: spec.port,
    blockTimeSeconds: 1,
    beacon: { secret, genesisTimeSeconds, periodSeconds },
  })
  await writeDeployment(spec.addressesPath, dev.deployment)
  const reader = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment })
  const passphrase = await readPassphraseFile(spec.passphraseFile)
  const hotOf = ({ dataDir }: { readonly dataDir: string }) =>
    loadIdentity(dataPaths(dataDir).key, passphrase)

  /** A cold wallet registers the node's key; the node itself gets ether for gas. */
  const register = async (node: ChainNode, seats: number): Promise<Party> => {
    const [hot, cold] = [await hotOf(node), Identity.generate()]
    await dev.fund(cold.address, COLD_ETHER)
    await dev.fund(hot.address, GAS_ETHER)
    const chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment, identity: cold })
    const { timestamp } = await chain.clock()
    const consent = signConsent(hot, {
      chainId: dev.chainId,
      stakeRegistry: dev.deployment.contracts.stakeRegistry,
      owner: cold.address,
      expiry: timestamp + CONSENT_SECONDS,
    })
    await registerNode(chain, { consent, endpoint: node, seats })
    if (seats === 0) await depositBond(chain, { prover: hot.address, amountWei: DEPOSIT })
    await chain.close()
    return { name: node.name, hot, cold: cold.address, before: 0n }
  }
  const payerKey = await hotOf(spec.payer)
  await dev.fund(payerKey.address, COLD_ETHER)
  const payer: Party = { name: spec.payer.name, hot: payerKey, cold: payerKey.address, before: 0n }
  const prover = register(spec.prover, 0)
  const members = spec.challengers.map((node) => register(node, 1))
  const parties = [payer, await prover, ...(await Promise.all(members))]
  const balanceOf = async ({ hot, cold }: Party): Promise<bigint> => {
    const addresses = [...new Set([hot.address, cold])]
    const [sums, account] = await Promise.all([
      Promise.all(addresses.map((address) => reader.client.getBalance({ address }))),
      readProverAccount(reader, hot.address),
    ])
    return sums.reduce((sum, wei) => sum + wei, account.freeWei)
  }
  for (const party of parties) party.before = await balanceOf(party)
  const firstBlock = (await reader.clock()).blockNumber + 1n

  serveCalls({
    join: async (who: { readonly name: string; readonly dataDir: string }): Promise<void> => {
      const hot = await hotOf(who)
      await dev.fund(hot.address, COLD_ETHER)
      const party: Party = { name: who.name, hot, cold: hot.address, before: 0n }
      party.before = await balanceOf(party)
      parties.push(party)
    },
    channel: async (parties: ChannelParties): Promise<ChannelFigures> => {
      const { depositWei, redeemedWei } = await readChannel(reader, parties)
      return { depositWei: String(depositWei), redeemedWei: String(redeemedWei) }
    },
    verify: async ({ path }: { readonly path: string }): Promise<ChainVerdict> => {
      const content = await readFile(path)
      const started = performance.now()
      const chain = await readChainRecord(reader, await openSeatCache(reader), content)
      const { level, faults } = verifyTranscript(content, { beacon, chain })
      return {
        level: level ?? null,
        faults: faults.map(({ code, message }) => `${code}: ${message}`),
        milliseconds: Math.round(performance.now() - started),
      }
    },
    account: async ({ challengeId }: { readonly challengeId: `0x${string}` }): Promise<ChainAccount> => {
      const { closed } = await readChallenge(reader, challengeId)
      const claims = await Promise.all(parties.map(({ hot }) => findClaims(reader, hot.address)))
      const { refundsWei } = await readCredits(reader, payer.cold)
      if (refundsWei > 0n) await refund()
      const sent = await sentSince(firstBlock)
      return {
        isFinal: closed && claims.every((each) => each.length === 0) && refundsWei === 0n,
        parties: await Promise.all(
          parties.map(async (party) => {
            const own = sent.filter(({ from }) => from === party.hot.address || from === party.cold)
            return {
              party: party.name,
              address: party.cold,
              did: own.map(({ name }) => name),
              gasUsed: own.reduce((sum, { gasUsed }) => sum + gasUsed, 0),
              beforeWei: String(party.before),
              afterWei: String(await balanceOf(party)),
            }
          }),
        ),
      }
    },
  })

  /** What no member earned goes back to the payer. */
  async function refund(): Promise<void> {
    const { rpcUrl, deployment } = dev
    const chain = await openChain({ rpcUrls: [rpcUrl], deployment, identity: payer.hot })
    await withdrawRefund(chain, { account: payer.cold }).finally(() => chain.close())
  }

  /** Calls of the challenge manager and the beacon contract in the blocks from `first` on. */
  async function sentSince(first: bigint) {
    const { challengeManager, beaconRegistry } = dev.deployment.contracts
    const channels = channelsContract(reader)
    const { blockNumber } = await reader.clock()
    const found: { name: string; from: string; gasUsed: number }[] = []
    for (let number = first; number <= blockNumber; number++) {
      const { transactions } = await reader.client.getBlock({
        blockNumber: number,
        includeTransactions: true,
      })
      for (const { to, from, input, hash } of transactions) {
        const target = to?.toLowerCase()
        const isManager = target === challengeManager.toLowerCase()
        const isChannels = target === channels.toLowerCase()
        if (!isManager && !isChannels && target !== beaconRegistry?.toLowerCase()) continue
        const { gasUsed } = await reader.client.getTransactionReceipt({ hash })
        const name = isManager
          ? decodeFunctionData({ abi: challengeManagerAbi, data: input }).functionName
          : isChannels
            ? channelStep(input)
            : 'submit round'
        const sender = parties.find(({ hot, cold }) =>
          [hot.address, cold].some((each) => each.toLowerCase() === from.toLowerCase()),
        )
        if (sender !== undefined) found.push({ name, from: sender.hot.address, gasUsed: Number(gasUsed) })
      }
    }
    return found
  }

  process.once('disconnect', () => void dev.stop())
  process.send?.({ kind: 'ready' })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
