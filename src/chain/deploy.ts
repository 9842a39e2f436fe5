/**
 * Deploys the contracts in the one order that works (docs/contracts.md): registry and manager are told the dispute
 * contract's address before it exists, which follows from the deployer's nonce.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { concat, encodeDeployData, getContractAddress, type Hex, numberToHex, zeroAddress } from 'viem'
import type { Address } from '../crypto/address.js'
import { type BeaconInfo, QUICKNET } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import type { ChainCall } from './call.js'
import { type ChainConnection, DEVELOPMENT_CHAINS } from './chain.js'
import type { Deployment } from './deployment.js'
import { type DeploymentTerms, termsProblem } from './deployment-terms.js'
import { beaconRegistryAbi } from './generated/beacon-registry.js'
import {
  beaconRegistryBytecode,
  challengeManagerBytecode,
  disputeGameBytecode,
  ecdsaAttestationVerifierBytecode,
  paymentChannelsBytecode,
  stakeRegistryBytecode,
} from './generated/bytecode.js'
import { challengeManagerAbi } from './generated/challenge-manager.js'
import { disputeGameAbi } from './generated/dispute-game.js'
import { paymentChannelsAbi } from './generated/payment-channels.js'
import { stakeRegistryAbi } from './generated/stake-registry.js'
import { type MinedWithLogs, sendCall } from './send.js'

/** Bytes of a field element in EIP-2537 form. */
const FIELD_BYTES = 64

export interface DeployOptions {
  readonly terms: DeploymentTerms
  /** Beacons of one's own; development chains only. */
  readonly localBeacons?: readonly BeaconInfo[]
  /** Another `IBeaconRegistry`, in place of ours: for chains without EIP-2537. */
  readonly beaconContract?: Address | undefined
  /** Goes on without any beacon where ours cannot exist: nodes can register and stake, no challenge can be opened. */
  readonly allowWithoutBeacon?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onStep?: (step: DeployStep) => void
}

export interface DeployStep {
  readonly name: string
  /** Null with `reason` where it was left out. */
  readonly address: Address | null
  readonly gasUsed: bigint
  readonly reason?: string
}

export interface DeployResult {
  readonly deployment: Deployment
  readonly steps: readonly DeployStep[]
  readonly gasUsed: bigint
  readonly feeWei: bigint
}

/** What a deployment needs, before it begins. */
export interface DeployPlan {
  /** The beacon contract's creation; undefined where another one is used or the chain lacks EIP-2537. */
  readonly beaconCall: ChainCall | undefined
  readonly beaconAddress: Address | null
  /** Why the chain gets no beacon contract of ours. */
  readonly absentReason: string | undefined
}

/**
 * @throws UserError UNAVAILABLE where the chain lacks EIP-2537 and neither another beacon contract nor its absence was
 *   asked for; with have and need where money does not suffice; BAD_CONFIG for terms that do not fit together
 */
export async function deployContracts(chain: ChainConnection, options: DeployOptions): Promise<DeployResult> {
  const { terms } = options
  const problem = termsProblem(terms)
  if (problem !== undefined)
    throw new UserError(`the terms do not fit together: ${problem}`, { code: 'BAD_CONFIG' })
  const { queue, client, chainId } = chain
  if (queue === undefined)
    throw new UserError('deploying needs a key', { code: 'BAD_KEY', remedy: 'give the wallet that pays' })
  if (queue.pending > 0)
    throw new UserError(`${queue.address} has transactions under way`, {
      code: 'BUSY',
      remedy: 'wait for them: the addresses follow from its nonce',
    })
  const plan = await planDeployment(chain, options)
  const { blockNumber } = await chain.clock()
  const nonce = await client.getTransactionCount({ address: queue.address, blockTag: 'pending' })
  const before = plan.beaconCall === undefined ? 3 : 4
  const game = getContractAddress({ from: queue.address, nonce: BigInt(nonce + before) })
  const steps: DeployStep[] = []
  let feeWei = 0n

  const create = async (name: string, call: ChainCall, at: number): Promise<Address> => {
    const mined: MinedWithLogs = await sendCall(chain, call, { signal: options.signal })
    const address = mined.contractAddress
    if (address !== getContractAddress({ from: queue.address, nonce: BigInt(nonce + at) }))
      throw new UserError(`another program sent a transaction of ${queue.address} during the deployment`, {
        code: 'BUSY',
        remedy: 'deploy again from a wallet that nothing else uses; what exists now is of no use',
      })
    const step = { name, address, gasUsed: mined.gasUsed }
    feeWei += mined.feeWei
    steps.push(step)
    options.onStep?.(step)
    return address
  }

  const stakeRegistry = await create('StakeRegistry', stakeRegistryCall(game, terms), 0)
  const beaconRegistry =
    plan.beaconCall === undefined ? plan.beaconAddress : await create('BeaconRegistry', plan.beaconCall, 1)
  if (plan.absentReason !== undefined) {
    const step = { name: 'BeaconRegistry', address: null, gasUsed: 0n, reason: plan.absentReason }
    steps.push(step)
    options.onStep?.(step)
  }
  const attestationVerifier = await create('EcdsaAttestationVerifier', verifierCall(), before - 2)
  const parties = [stakeRegistry, beaconRegistry ?? zeroAddress, attestationVerifier, game] as const
  const challengeManager = await create('ChallengeManager', managerCall(parties, terms), before - 1)
  const disputeGame = await create(
    'DisputeGame',
    creation(
      'DisputeGame',
      encodeDeployData({
        abi: disputeGameAbi,
        bytecode: disputeGameBytecode,
        args: [stakeRegistry, challengeManager, terms.reportBondWei],
      }),
    ),
    before,
  )
  const paymentChannels = await create('PaymentChannels', channelsCall(stakeRegistry, terms), before + 1)
  const deployment: Deployment = {
    format: 'plumbline-deployment',
    version: 1,
    chainId,
    deployedAtBlock: Number(blockNumber),
    contracts: {
      stakeRegistry,
      beaconRegistry,
      attestationVerifier,
      challengeManager,
      disputeGame,
      paymentChannels,
    },
    absent: plan.absentReason === undefined ? {} : { beaconRegistry: plan.absentReason },
    beacons: plan.beaconCall === undefined ? [] : [QUICKNET, ...(options.localBeacons ?? [])].map(beaconText),
  }
  return { deployment, steps, gasUsed: steps.reduce((sum, { gasUsed }) => sum + gasUsed, 0n), feeWei }
}

/** Tries the beacon contract's constructor, which verifies a real round with the precompiles. */
export async function planDeployment(chain: ChainConnection, options: DeployOptions): Promise<DeployPlan> {
  const { beaconContract, localBeacons = [], allowWithoutBeacon = false } = options
  if (beaconContract !== undefined)
    return { beaconCall: undefined, beaconAddress: beaconContract, absentReason: undefined }
  if (localBeacons.length > 0 && !DEVELOPMENT_CHAINS.includes(chain.chainId))
    throw new UserError(`a local beacon is not allowed on the public chain ${chain.chainId}`, {
      code: 'DENIED',
      remedy: 'drand quicknet is built in',
    })
  const beaconCall = beaconRegistryCall(localBeacons)
  try {
    await chain.queue?.preview(beaconCall)
    return { beaconCall, beaconAddress: null, absentReason: undefined }
  } catch (error) {
    if (!(error instanceof UserError) || error.details.revert !== 'PrecompileAbsent') throw error
    const absentReason =
      'this chain lacks the BLS12-381 precompiles of EIP-2537, with which beacon rounds are verified'
    if (allowWithoutBeacon) return { beaconCall: undefined, beaconAddress: null, absentReason }
    throw new UserError(`BeaconRegistry cannot be deployed: ${absentReason}`, {
      code: 'UNAVAILABLE',
      remedy:
        'use a chain with the prague rules, name another beacon contract (--beacon-contract), ' +
        'or go on without challenges (--without-beacon)',
    })
  }
}

const creation = (name: string, data: Hex): ChainCall => ({
  to: null,
  data,
  valueWei: 0n,
  what: `deploying ${name}`,
})

function stakeRegistryCall(game: Address, terms: DeploymentTerms): ChainCall {
  const { seatStakeWei, unbondingSeconds, quarantineSeconds, slashPermille, rewardPermille } = terms
  return creation(
    'StakeRegistry',
    encodeDeployData({
      abi: stakeRegistryAbi,
      bytecode: stakeRegistryBytecode,
      args: [
        game,
        {
          seatStake: seatStakeWei,
          unbonding: unbondingSeconds,
          quarantine: quarantineSeconds,
          slashPermille,
          rewardPermille,
        },
      ],
    }),
  )
}

function beaconRegistryCall(locals: readonly BeaconInfo[]): ChainCall {
  const args = locals.map((beacon) => ({
    genesisTime: BigInt(beacon.genesisTimeSeconds),
    period: beacon.periodSeconds,
    publicKey: paddedKey(beacon.publicKey),
  }))
  return creation(
    'BeaconRegistry',
    encodeDeployData({ abi: beaconRegistryAbi, bytecode: beaconRegistryBytecode, args: [args] }),
  )
}

const verifierCall = (): ChainCall => creation('EcdsaAttestationVerifier', ecdsaAttestationVerifierBytecode)

function managerCall(
  parties: readonly [registry: Address, beacons: Address, verifier: Address, disputes: Address],
  terms: DeploymentTerms,
): ChainCall {
  return creation(
    'ChallengeManager',
    encodeDeployData({
      abi: challengeManagerAbi,
      bytecode: challengeManagerBytecode,
      args: [
        ...parties,
        {
          activationDelay: terms.activationDelaySeconds,
          maxSnapshotAge: terms.maxSnapshotAgeSeconds,
          driftMargin: terms.driftMarginSeconds,
          maxLead: terms.maxLeadSeconds,
          maxLife: terms.maxLifeSeconds,
          settleWindow: terms.settleWindowSeconds,
          disputeWindow: terms.disputeWindowSeconds,
          minSlotFee: terms.minSlotFeeWei,
          attemptShare: terms.attemptShareWei,
          proverBond: terms.proverBondWei,
          profiles: terms.profiles,
        },
      ],
    }),
  )
}

function channelsCall(stakeRegistry: Address, terms: DeploymentTerms): ChainCall {
  return creation(
    'PaymentChannels',
    encodeDeployData({
      abi: paymentChannelsAbi,
      bytecode: paymentChannelsBytecode,
      args: [stakeRegistry, terms.channelChallengeSeconds],
    }),
  )
}

/** A compressed G2 key (96 bytes) in EIP-2537 form: x.c0 || x.c1 || y.c0 || y.c1, 64 bytes each. */
export function paddedKey(publicKey: Uint8Array): Hex {
  const { x, y } = bls12_381.G2.Point.fromBytes(publicKey).toAffine()
  return concat([x.c0, x.c1, y.c0, y.c1].map((element) => numberToHex(element, { size: FIELD_BYTES })))
}

function beaconText(beacon: BeaconInfo): Deployment['beacons'][number] {
  const { kind, chainHash, publicKey, genesisTimeSeconds, periodSeconds } = beacon
  return {
    kind,
    chainHash: bytesToHex(chainHash),
    publicKey: bytesToHex(publicKey),
    genesisTimeSeconds,
    periodSeconds,
  }
}
