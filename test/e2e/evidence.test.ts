/**
 * A corrupt coordinator with real trains in hand: it leaves testimonies out, asks for two results, replays requests. The
 * prover and the members are real processes and honest.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { firstRoundFrom } from '../../src/crypto/beacon.js'
import { assess } from '../../src/pob/assess.js'
import { decodeEvidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { digestsOf } from '../../src/pob/request.js'
import type { Seal } from '../../src/pob/seal.js'
import type { SlotRecord } from '../../src/pob/slot.js'
import { verifyTranscript } from '../../src/pob/verify.js'
import { PREPARE_MESSAGE, REQUEST_MESSAGE, SLOT_MESSAGE } from '../../src/roles/control-messages.js'
import { openStore } from '../../src/store/index.js'
import { LocalNetwork, whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'
import { emptySlot, ScriptedPayer, statusOf } from '../support/scripted-payer.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e evidence: skipped: ${reason}\n`)

describe.skipIf(reason !== undefined)('a corrupt coordinator', { timeout: 120_000 }, () => {
  let network: LocalNetwork
  let payer: ScriptedPayer
  let stranger: ScriptedPayer
  let daemons: readonly NodeProcess[]
  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 3 })
    daemons = (await network.startAll()).challengers
    payer = await ScriptedPayer.create(network)
    stranger = await ScriptedPayer.create(network)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([payer?.close(), stranger?.close(), network?.close()])
  }, 60_000)

  /** Killed after its vote and started again, a member makes the transcript of what lies on its disk. */
  async function expectRebuilt(key: Uint8Array, challengeId: Uint8Array, seal: Seal) {
    const index = network.challengers.findIndex(
      ({ identity }) => Buffer.compare(identity.publicKey, key) === 0,
    )
    const member = network.challengers[index]
    const daemon = daemons[index]
    if (member === undefined || daemon === undefined) throw new Error('no such member')
    daemon.kill('SIGKILL')
    await daemon.ended
    const again = await network.daemon('challenger', member)
    expect(await payer.finish(payer.member(key), challengeId, { seal })).toEqual({ lacksEvidence: 0 })
    await again.stop()
    const store = await openStore(dataPaths(member.dataDir).store)
    const rebuilt = await store.transcripts.get(Buffer.from(challengeId).toString('hex'))
    await store.close()
    expect(verifyTranscript(rebuilt ?? new Uint8Array(), {})).toMatchObject({
      level: 'consistent',
      faults: [],
    })
    await network.daemon('challenger', member)
  }

  const forgetful = (record: SlotRecord): SlotRecord => ({ ...record, testimonies: [null] })

  it('gets no vote for evidence without a testimony, and one result at most', async () => {
    const admission = await payer.accept()
    const body = await payer.begin(admission)
    const { challengeId, committee } = body.plan
    const members = committee.map((key) => payer.member(key))
    const slots = [await payer.slot(body, 0), await payer.slot(body, 1), await payer.slot(body, 2)]
    const [first, second, third] = members
    if (first === undefined || second === undefined || third === undefined) throw new Error('no committee')

    const without = payer.evidence(body, [forgetful(slots[0] ?? emptySlot(0)), ...slots.slice(1)])
    expect(await statusOf(payer.vote(first, without))).toMatch(/^conflict: the evidence leaves out/)
    expect(await statusOf(payer.vote(first, payer.evidence(body, [0, 1, 2].map(emptySlot))))).toMatch(
      /^conflict/,
    )
    // A finished challenge that is announced again is no way to make a member forget.
    expect(await statusOf(payer.finish(first, challengeId))).toBe('ok')
    expect(await statusOf(payer.sendPlan(first, body))).toBe('ok')
    expect(await statusOf(payer.vote(first, without))).toMatch(/^conflict: the evidence leaves out/)

    // The others are not concerned by what is missing: they vote for it, and then for nothing else.
    const whole = payer.evidence(body, slots)
    const votesWithout = [null, (await payer.vote(second, without)).signature, null]
    expect(await statusOf(payer.vote(second, whole))).toMatch(/^conflict: another vote/)
    const votesWhole = [
      (await payer.vote(first, whole)).signature,
      null,
      (await payer.vote(third, whole)).signature,
    ]
    const hashes = { without: evidenceHashOf(without), whole: evidenceHashOf(whole) }
    const sign = (member: typeof first, evidenceHash: Uint8Array, votes: (Uint8Array | null)[]) =>
      payer.sign(member, { challengeId, evidenceHash, votes })
    // One vote of three is below n - f = 2, and votes for other evidence count nothing.
    expect(await statusOf(sign(second, hashes.without, votesWithout))).toMatch(
      /^bad_request: 1 votes of the 2/,
    )
    expect(await statusOf(sign(second, hashes.whole, votesWhole))).toMatch(/^conflict/)
    expect(await statusOf(sign(first, hashes.whole, votesWithout))).toMatch(/^bad_request: 0 votes/)
    expect(await statusOf(sign(first, hashes.without, votesWhole))).toMatch(/^conflict/)
    const results = [await sign(first, hashes.whole, votesWhole), await sign(first, hashes.whole, votesWhole)]
    expect(results[0]).toEqual(results[1])
    await payer.finish(payer.proverTarget, challengeId)

    // Signatures alone are enough for who voted, whatever became of it meanwhile; of others they are asked about again.
    const { guaranteedKbps, estimateKbps, owed } = assess(decodeEvidence(whole))
    const signatures = [
      results[0]?.signature ?? null,
      null,
      (await sign(third, hashes.whole, votesWhole)).signature,
    ]
    const seal = {
      evidenceHash: hashes.whole,
      votes: votesWhole,
      guaranteedKbps,
      estimateKbps,
      owed,
      signatures,
    }
    const fewer = { ...seal, signatures: [seal.signatures[0] ?? null, null, null] }
    expect(await statusOf(payer.finish(first, challengeId, { seal: fewer }))).toMatch(/^bad_request: 1 valid/)
    await expectRebuilt(committee[2] ?? new Uint8Array(33), challengeId, seal)
  })

  it('does not make the prover serve twice, nor somebody else', async () => {
    const request = payer.request()
    const admission = await payer.accept(request)
    const { payerSignature, beaconSignature } = admission
    const { challengeId } = digestsOf(request)
    const ask = (by: ScriptedPayer, asked = request, signature = payerSignature) =>
      statusOf(
        by.host.request(by.proverTarget, REQUEST_MESSAGE, { request: asked, payerSignature: signature }),
      )
    expect(await ask(stranger)).toMatch(/^denied: only the coordinator asks/)
    expect(await ask(stranger, stranger.request())).toMatch(/^busy/)
    const prepare = { challengeId, beaconSignature }
    expect(await statusOf(stranger.host.request(stranger.proverTarget, PREPARE_MESSAGE, prepare))).toMatch(
      /^denied/,
    )
    const foreign = { challengeId, beaconSignature: new Uint8Array(48) }
    expect(await statusOf(payer.host.request(payer.proverTarget, PREPARE_MESSAGE, foreign))).toMatch(
      /^bad_request/,
    )
    const body = await payer.begin(admission)
    expect(await statusOf(payer.host.request(payer.proverTarget, PREPARE_MESSAGE, prepare))).toMatch(
      /^conflict/,
    )
    const other = payer.plan(admission, { tauMicros: 300_000 })
    expect(await statusOf(payer.sendPlan(payer.proverTarget, other))).toMatch(/^conflict: another plan/)
    const slot = (id: object, commitments: (null | object)[]) =>
      statusOf(
        payer.host.request(payer.proverTarget, SLOT_MESSAGE, {
          challengeId,
          slot: 0,
          attempt: 0,
          ...id,
          commitments: commitments as null[],
        }),
      )
    expect(await slot({ slot: 3 }, [null])).toMatch(/^bad_request: no such slot/)
    expect(await slot({}, [null, null])).toMatch(/^bad_request: no such slot/)
    const unsigned = {
      seedHash: new Uint8Array(32),
      rateKbps: 1,
      packetCount: 1,
      signature: body.planSignature,
    }
    expect(await slot({}, [unsigned])).toMatch(/^bad_request: the commitment of member 0/)
    expect(await slot({ challengeId: new Uint8Array(32) }, [null])).toMatch(/^not_found/)
    // Asking again gives the first challenge up; its request stays used.
    expect(await ask(payer)).toMatch(/round \d+ is out|conflict/)
    expect(
      await ask(
        stranger,
        stranger.request({ beaconRound: firstRoundFrom(network.beacon, Date.now() / 1000 - 5) }),
      ),
    ).toMatch(/bad_request: .*signature of its payer|denied: round/)
  })
})
