/**
 * What goes wrong around a challenge on a real chain: servers that are down, processes that are killed between sending
 * and receipt, a re-organisation, a clock that runs ahead, members that sign two results or open another seed.
 */
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  readChallenge,
  readNode,
  readSettlement,
  settleChallenge,
} from '../../src/chain/index.js'
import { type Address, addressOfPublicKey } from '../../src/crypto/address.js'
import type { Assignment, CorruptSpec } from '../../src/lab/daemon-child.js'
import { decodeEvidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { digestsOf } from '../../src/pob/request.js'
import { resultDigest } from '../../src/pob/result.js'
import { decodeTranscript, encodeTranscript } from '../../src/pob/transcript.js'
import type { MeasureResult } from '../../src/roles/measure-result.js'
import { testClientOf, whyNoAnvil } from '../chain/support.js'
import { ChainNetwork, eventually } from '../support/chain-network.js'
import { type Member, PASSPHRASE, whyNoLoopback } from '../support/local-network.js'
import { NodeProcess } from '../support/node-process.js'

const reason = whyNoAnvil ?? (await whyNoLoopback())
if (reason !== undefined) process.stderr.write(`e2e chain-trouble: skipped: ${reason}\n`)

const PATIENCE_MS = 180_000
const CHALLENGERS = 3
/** Long enough that a re-organisation and a dispute come before the end. */
const DISPUTE_WINDOW_SECONDS = 120
/** A request that nobody reveals anything for is over soon. */
const TERMS = { disputeWindowSeconds: DISPUTE_WINDOW_SECONDS, maxLifeSeconds: 40 }
const CORRUPT = fileURLToPath(new URL('../../dist/lab/daemon-child.js', import.meta.url))
type Id = `0x${string}`

/** On a busy machine the opening may miss its round: that is refused, costs nothing, and is asked again. */
async function measured({ network }: ChainNetwork, more: readonly string[] = []): Promise<MeasureResult> {
  try {
    return await network.measure(['--on-chain', '--yes', ...more])
  } catch (error) {
    if (!String(error).includes('too late')) throw error
    return network.measure(['--on-chain', '--yes', ...more])
  }
}

describe.skipIf(reason !== undefined)('a chain in trouble', () => {
  let made: ChainNetwork
  let chain: Chain
  let client: ReturnType<typeof testClientOf>
  /** Whoever settles where the payer does not: the prover first, then the members. */
  let daemons: NodeProcess[]

  beforeAll(async () => {
    const terms = { disputeWindowSeconds: DISPUTE_WINDOW_SECONDS }
    made = await ChainNetwork.create({ challengers: CHALLENGERS, terms })
    chain = await made.chainOf()
    client = testClientOf(made.dev.rpcUrl)
    const { prover, challengers } = await made.network.startAll()
    daemons = [prover, ...challengers]
  }, PATIENCE_MS)
  afterAll(() => made?.close(), PATIENCE_MS)
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(made.network.said())
  })

  /** A measurement as it runs, and its challenge. */
  async function measuring() {
    const args = made.network.measureArguments(['--on-chain', '--yes']).filter((word) => word !== '--json')
    const payer = made.network.start([...args, '--json-stream'])
    const { challengeId } = await payer.event('requested')
    return { payer, id: `0x${String(challengeId)}` as Id }
  }

  const statusOf = async (id: Id) => (await readChallenge(chain, id)).status
  const isSettled = (id: Id) => async () => (await statusOf(id)) === 'settled'
  const memberOf = (i: number): Member => {
    const member = made.network.challengers[i]
    if (member === undefined) throw new Error(`no challenger ${i}`)
    return member
  }
  const parties = (): readonly Member[] => [made.network.prover, ...made.network.challengers]
  const verify = (path: string) => {
    const { dataDir } = made.network.payer
    return made.network.run(['verify', path, '--level', 'settled', '--data-dir', dataDir, '--json'])
  }

  it(
    "is settled by the prover or a member while the payer's servers are down, and the payer finds it so",
    async () => {
      const { payer, id } = await measuring()
      await payer.event('paths')
      const rpc = made.rpcOf(made.network.payer)
      rpc.down()
      await payer.event('signed')
      await eventually('somebody settles', isSettled(id))
      expect(payer.isOver).toBe(false)
      rpc.up()
      const { code, stdout } = await payer.ended
      expect(code).toBe(0)
      const result = payer.events.find(({ event }) => event === 'result') as unknown as
        | MeasureResult
        | undefined
      const settlement =
        result?.settlement ??
        (JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as MeasureResult).settlement
      expect(settlement?.txHash).toBe((await readSettlement(chain, id))?.transactionHash)
      expect(settlement?.transactions.map(({ step }) => step)).toEqual(['open', 'round', 'committee'])
    },
    PATIENCE_MS,
  )

  it(
    'is settled once by a daemon that was killed between sending and receipt',
    async () => {
      const { payer, id } = await measuring()
      await payer.event('paths')
      const rpc = made.rpcOf(made.network.payer)
      rpc.down()
      const counts = (blockTag: 'pending' | 'latest') =>
        Promise.all(
          parties().map(({ identity: { address } }) => client.getTransactionCount({ address, blockTag })),
        )
      const before = await counts('latest')
      // No block comes: what the first party sends stays without a receipt, and keeps the others from sending.
      await client.setAutomine(false)
      await client.setIntervalMining({ interval: 0 })
      let victim = -1
      try {
        await payer.event('signed')
        await eventually(
          'the prover or a member sends its settlement',
          async () => {
            victim = (await counts('pending')).findIndex((count, i) => count > (before[i] ?? 0))
            return victim >= 0
          },
          100_000,
        )
        const killed = daemons[victim]
        killed?.kill('SIGKILL')
        await killed?.ended
        expect(await statusOf(id)).toBe('fixed')
        const party = parties()[victim] ?? made.network.prover
        daemons[victim] = await made.network.daemon(victim === 0 ? 'prover' : 'challenger', party)
      } finally {
        payer.kill('SIGKILL')
        await payer.ended
        // In this order: switching to one block a transaction ends the blocks that come by the clock, and disputes wait for one.
        await client.setAutomine(true)
        await client.setIntervalMining({ interval: 1 })
        rpc.up()
      }
      await eventually('the challenge is settled', isSettled(id))
      // Some looks of the keepers later nobody has sent anything else.
      await sleep(4_000)
      const once = before.map((count, i) => (i === victim ? count + 1 : count))
      expect([await counts('latest'), await counts('pending')]).toEqual([once, once])
    },
    PATIENCE_MS,
  )

  it(
    'is settled again where a re-organisation took the settlement back',
    async () => {
      const { challengeId, settlement } = await measured(made)
      const id = challengeId as Id
      const receipt = await client.getTransactionReceipt({ hash: settlement?.txHash as Id })
      const depth = Number((await client.getBlockNumber()) - receipt.blockNumber) + 1
      await client.request({ method: 'anvil_reorg', params: [depth, []] } as never)
      await eventually('it was taken back', async () => (await statusOf(id)) === 'fixed', 5_000)
      await eventually('somebody settles again', isSettled(id))
      const now = await readSettlement(chain, id)
      expect(now?.transactionHash).not.toBe(settlement?.txHash)
    },
    PATIENCE_MS,
  )

  it(
    'has a member slashed that signed two results, by whoever holds both transcripts',
    async () => {
      const { payer, id } = await measuring()
      await payer.event('paths')
      const rpc = made.rpcOf(made.network.payer)
      rpc.down()
      // Nobody honest settles first.
      const others = parties().map((party) => made.rpcOf(party))
      for (const each of others) each.down()
      await payer.event('signed')
      const path = join(made.network.payer.dataDir, 'transcripts', `${id.slice(2)}.pob`)
      const written = () =>
        readFile(path).then(
          () => true,
          () => false,
        )
      await eventually('the transcript is on the disk', written)
      // Every member is corrupt now: a quorum settles what it likes, before an honest one would.
      const transcript = decodeTranscript(await readFile(path))
      const { request, plan } = decodeEvidence(transcript.evidence)
      const { estimateKbps, owed } = transcript
      const guaranteedKbps = transcript.guaranteedKbps - 1
      const result = { evidenceHash: evidenceHashOf(transcript.evidence), guaranteedKbps, estimateKbps, owed }
      const digest = resultDigest(digestsOf(request), result)
      const signatures = plan.committee.map((key) => {
        const signer = made.network.challengers.find(
          ({ identity }) => identity.address === addressOfPublicKey(key),
        )
        return signer?.identity.sign(digest) ?? null
      })
      const corrupt = await made.chainOf(made.coldOf(memberOf(0)))
      const committee: Address[] = plan.committee.map(addressOfPublicKey)
      await settleChallenge(corrupt, { challengeId: id, committee, result, signatures })
      for (const each of [rpc, ...others]) each.up()
      expect((await payer.ended).code).not.toBe(0)
      expect(payer.stderr).toContain('another result')

      const verdict = await verify(path)
      expect(verdict.code).toBe(1)
      expect(verdict.stdout).toContain('settled_value')

      const other = join(made.network.directory, 'other.pob')
      await writeFile(other, encodeTranscript({ ...transcript, guaranteedKbps, signatures }))
      const before = await Promise.all(committee.map((key) => readNode(chain, key)))
      const { dataDir } = made.network.payer
      const disputed = await made.network.run([
        'chain',
        'dispute',
        `${path},${other}`,
        '--data-dir',
        dataDir,
        '--json',
      ])
      expect([disputed.code, disputed.stderr]).toEqual([0, expect.any(String)])
      const { disputes } = JSON.parse(disputed.stdout) as {
        readonly disputes: readonly { readonly kind: string; readonly accused: Address }[]
      }
      expect(disputes.length).toBeGreaterThan(0)
      for (const { kind, accused } of disputes) {
        expect(kind).toBe('results')
        const was = before.find((node) => node?.hotKey === accused)
        const now = await readNode(chain, was?.nodeId ?? 0)
        expect(now?.seats).toBe(0)
        expect(now?.stakeWei).toBeLessThan(was?.stakeWei ?? 0n)
      }
      // What was settled agrees with the other transcript, and yet its signers are known to be liars.
      const late = await verify(other)
      expect(late.code).toBe(1)
      expect(late.stdout).toContain('quorum_faulty')
    },
    PATIENCE_MS,
  )
})

describe.skipIf(reason !== undefined)('a chain whose clock runs ahead, with a corrupt member', () => {
  let made: ChainNetwork
  let chain: Chain
  let corrupt: NodeProcess

  beforeAll(async () => {
    made = await ChainNetwork.create({ challengers: CHALLENGERS, terms: TERMS })
    chain = await made.chainOf()
    // The sequencer's clock is ahead of everybody's.
    await made.dev.increaseTime(6)
    const [liar, ...honest] = made.network.challengers
    if (liar === undefined) throw new Error('no challenger')
    const passphraseFile = join(made.network.directory, 'passphrase')
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const spec = join(made.network.directory, 'spec.json')
    await mkdir(made.network.directory, { recursive: true })
    const sideChannelPath = join(made.network.directory, 'side.sock')
    const content: CorruptSpec = {
      dataDir: liar.dataDir,
      passphraseFile,
      sideChannelPath,
      proverAddress: made.network.prover.address,
      role: 'challenger',
    }
    await writeFile(spec, JSON.stringify(content))
    corrupt = new NodeProcess(CORRUPT, [], { env: { PLUMBLINE_LAB_SPEC: spec }, ipc: true })
    await Promise.all([
      made.network.daemon('prover', made.network.prover, { doom: { when: 'begin', exchange: 'slot' } }),
      ...honest.map((member) => made.network.daemon('challenger', member)),
    ])
    const { dataDir } = liar
    await eventually('the corrupt member serves', async () =>
      (await made.network.run(['status', '--data-dir', dataDir, '--json'])).stdout.includes('"peerId"'),
    )
    const assignment: Assignment = { challenger: ['false-commit'] }
    corrupt.child.send(assignment)
    await once(corrupt.child, 'message')
  }, PATIENCE_MS)
  afterAll(async () => {
    await corrupt?.stop()
    await made?.close()
  }, PATIENCE_MS)

  it('pays the members for a prover that vanished, by a late statement that there is no result', async () => {
    const args = made.network.measureArguments(['--on-chain', '--yes']).filter((word) => word !== '--json')
    const payer = made.network.start([...args, '--json-stream'])
    const { challengeId } = await payer.event('requested')
    const id = `0x${String(challengeId)}` as Id
    expect((await payer.ended).code).toBe(1)
    await made.network.daemon('prover', made.network.prover)
    const isOver = async () => (await readChallenge(chain, id)).status === 'noResult'
    await eventually('the members state that there is no result', isOver, 120_000)
    const { owed, evidenceHash, guaranteedKbps, signers } = await readChallenge(chain, id)
    expect(owed).toBeGreaterThan(0n)
    expect(signers.toString(2).replaceAll('0', '').length).toBeGreaterThan(1)
    expect([guaranteedKbps, evidenceHash.some((byte) => byte !== 0)]).toEqual([0, false])
  }, 240_000)

  it(
    'settles, and whoever reads the transcript has the false commitment slashed',
    async () => {
      const { challengeId, transcript } = await measured(made, ['--profile', 'quick'])
      expect((await readChallenge(chain, challengeId as Id)).status).toBe('settled')
      const { dataDir } = made.network.payer
      const disputed = await made.network.run([
        'chain',
        'dispute',
        transcript.path,
        '--data-dir',
        dataDir,
        '--json',
      ])
      const [liar] = made.network.challengers
      const accused = liar?.identity.address
      expect(JSON.parse(disputed.stdout)).toMatchObject({ disputes: [{ kind: 'seed', accused }] })
      expect((await readNode(chain, accused ?? '0x'))?.seats).toBe(0)
    },
    PATIENCE_MS,
  )
})
