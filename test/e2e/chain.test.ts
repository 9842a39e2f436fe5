/**
 * Whole challenges on a real chain by the real command line: anvil with the contracts, daemons as separate processes,
 * each with its own RPC server, `measure --on-chain`, `verify --level settled`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  deployContracts,
  openChain,
  openChallengeCall,
  readChallenge,
  readNode,
  readProverAccount,
  settleChallenge,
  wellKnownAccount,
} from '../../src/chain/index.js'
import { addressOfPublicKey } from '../../src/crypto/address.js'
import { UserError } from '../../src/errors.js'
import { decodeEvidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { challengeIdOf } from '../../src/pob/request.js'
import { decodeTranscript, encodeTranscript } from '../../src/pob/transcript.js'
import type { MeasureResult } from '../../src/roles/measure-result.js'
import { whyNoAnvil } from '../chain/support.js'
import { ChainNetwork, DEPOSIT, eventually } from '../support/chain-network.js'
import { whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'

const reason = whyNoAnvil ?? (await whyNoLoopback())
if (reason !== undefined) process.stderr.write(`e2e chain: skipped: ${reason}\n`)

const PATIENCE_MS = 120_000
const CHALLENGERS = 3
const ones = (bits: bigint): number => bits.toString(2).replaceAll('0', '').length

describe.skipIf(reason !== undefined)('a challenge on a chain', () => {
  let made: ChainNetwork
  let chain: Chain
  let daemons: { readonly prover: NodeProcess; readonly challengers: NodeProcess[] }
  let happy: MeasureResult

  beforeAll(async () => {
    made = await ChainNetwork.create({ challengers: CHALLENGERS })
    chain = await made.chainOf()
    daemons = await made.network.startAll()
  }, PATIENCE_MS)
  afterAll(() => made?.close(), PATIENCE_MS)

  const settled = (path: string, more: readonly string[] = []) =>
    made.network.run([
      'verify',
      path,
      '--level',
      'settled',
      '--data-dir',
      made.network.payer.dataDir,
      '--json',
      ...more,
    ])

  it(
    'is quoted, opened, drawn, measured and settled, and the payer is told every transaction',
    async () => {
      happy = await made.network.measure(['--on-chain', '--yes'])
      const { settlement } = happy
      if (settlement === undefined) throw new Error('no settlement')
      const state = await readChallenge(chain, happy.challengeId as `0x${string}`)
      expect(state.status).toBe('settled')
      expect(state.guaranteedKbps / 1000).toBeCloseTo(happy.guaranteedMbps, 3)
      expect(state.estimateKbps / 1000).toBeCloseTo(happy.estimateMbps, 3)
      expect(settlement.transactions.map(({ step }) => step)).toEqual([
        'open',
        'round',
        'committee',
        'settle',
      ])
      for (const { txHash, gasUsed } of settlement.transactions) {
        const receipt = await chain.client.getTransactionReceipt({ hash: txHash as `0x${string}` })
        expect([receipt.status, Number(receipt.gasUsed)]).toEqual(['success', gasUsed])
      }
      // The third team runs only where two did not suffice.
      expect(settlement.paid).toHaveLength(ones(state.owed))
      expect(ones(state.owed)).toBeGreaterThan(1)
    },
    PATIENCE_MS,
  )

  it(
    'costs nothing where the price is above what the payer allows',
    async () => {
      const payer = made.network.payer.identity.address
      const before = await chain.client.getTransactionCount({ address: payer })
      const refused = await made.network.run(
        made.network.measureArguments(['--on-chain', '--max-price', '1 gwei']),
      )
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(/max-price.*have .*need /s)
      expect(await chain.client.getTransactionCount({ address: payer })).toBe(before)
    },
    PATIENCE_MS,
  )

  it(
    'is verified against the chain, and each difference is named',
    async () => {
      const { path } = happy.transcript
      expect((await settled(path)).code).toBe(0)
      // The same measurement with a number changed: its own signatures no longer fit.
      const transcript = decodeTranscript(await readFile(path))
      const forged = join(made.network.directory, 'forged.pob')
      await writeFile(
        forged,
        encodeTranscript({ ...transcript, guaranteedKbps: transcript.guaranteedKbps + 1 }),
      )
      const refused = await settled(forged)
      expect(refused.code).toBe(1)
      expect(JSON.parse(refused.stdout)).toMatchObject({ reached: false, level: null })
    },
    PATIENCE_MS,
  )

  it(
    'pays the members to their cold wallets, and gives the prover its bond back',
    async () => {
      for (const member of made.network.challengers) {
        const before = await readNode(chain, member.identity.address)
        expect(before?.owner).toBe(made.coldOf(member).address)
      }
      await eventually('every member is paid', async () => {
        const { claimed, owed } = await readChallenge(chain, happy.challengeId as `0x${string}`)
        return claimed === owed
      })
      await eventually('the bond is free', async () => {
        const { freeWei } = await readProverAccount(chain, made.network.prover.identity.address)
        return freeWei === DEPOSIT
      })
    },
    PATIENCE_MS,
  )

  it(
    'cannot be replayed on another contract, or for another challenge',
    async () => {
      const transcript = decodeTranscript(await readFile(happy.transcript.path))
      const { plan, request, acceptedAt, acceptanceSignature } = decodeEvidence(transcript.evidence)
      const { guaranteedKbps, estimateKbps, owed, signatures } = transcript
      const result = { evidenceHash: evidenceHashOf(transcript.evidence), guaranteedKbps, estimateKbps, owed }
      const payer = await made.chainOf(made.network.payer.identity)
      const committee = plan.committee.map(addressOfPublicKey)
      const challengeId = happy.challengeId as `0x${string}`
      // Settled for good.
      await expect(
        settleChallenge(payer, { challengeId, committee, result, signatures }, { intent: 'replay' }),
      ).rejects.toThrow(UserError)
      // The same request on a second deployment has another id there; the prover's acceptance is for the first.
      const deployer = await openChain({
        rpcUrls: [made.dev.rpcUrl],
        deployment: made.dev.deployment,
        identity: wellKnownAccount(1),
      })
      const { deployment } = await deployContracts(deployer, {
        terms: payer.terms,
        localBeacons: [made.network.beacon],
      }).finally(() => deployer.close())
      const other = await openChain({
        rpcUrls: [made.dev.rpcUrl],
        deployment,
        identity: made.network.payer.identity,
      })
      try {
        expect((await readChallenge(other, challengeIdOf(request))).status).toBe('none')
        const call = openChallengeCall(other, {
          request: { ...request, verifyingContract: other.domain.verifyingContract },
          snapshot: 1,
          acceptedAt,
          acceptance: acceptanceSignature,
          refundTo: made.network.payer.identity.address,
        })
        await expect(other.queue?.preview(call)).rejects.toThrow(UserError)
        await expect(settleChallenge(other, { challengeId, committee, result, signatures })).rejects.toThrow(
          UserError,
        )
      } finally {
        await other.close()
      }
    },
    PATIENCE_MS,
  )

  it(
    'settles with f members silent',
    async () => {
      await daemons.challengers[0]?.stop()
      const result = await made.network.measure(['--on-chain', '--yes'])
      const state = await readChallenge(chain, result.challengeId as `0x${string}`)
      expect(state.status).toBe('settled')
      expect(state.signers.toString(2).replaceAll('0', '')).toHaveLength(CHALLENGERS - 1)
      expect(result.settlement?.paid.length).toBeLessThan(CHALLENGERS)
      const [silent] = made.network.challengers
      if (silent !== undefined) await made.network.daemon('challenger', silent)
    },
    PATIENCE_MS,
  )
})
