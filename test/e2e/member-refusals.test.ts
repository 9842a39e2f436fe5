/**
 * Lies and replays at the control plane of a member: a corrupt payer and a corrupt prover hold keys of their own and sign
 * whatever helps them. The daemons are real processes; every refusal comes with its reason.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { firstRoundFrom, signRound } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import type { Host, PeerTarget } from '../../src/p2p/index.js'
import { digestsOf, Profile } from '../../src/pob/request.js'
import { ARM_MESSAGE, FINISH_MESSAGE, REVEAL_MESSAGE } from '../../src/roles/control-messages.js'
import { LocalNetwork, whyNoLoopback } from '../support/local-network.js'
import {
  type AdmissionChange,
  emptySlot,
  openHost,
  ScriptedPayer,
  statusOf,
} from '../support/scripted-payer.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e member refusals: skipped: ${reason}\n`)

describe.skipIf(reason !== undefined)('a member', { timeout: 60_000 }, () => {
  const prover = Identity.generate()
  let network: LocalNetwork
  let payer: ScriptedPayer
  let proverHost: Host
  let target: PeerTarget
  // A member serves one challenge a prover and round: each test has rounds of its own.
  beforeEach(() => sleep(1_100))

  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 3 })
    await Promise.all(network.challengers.map((each) => network.daemon('challenger', each)))
    payer = await ScriptedPayer.create(network, prover)
    proverHost = await openHost(prover)
    target = payer.member(network.challengers[0]?.identity.publicKey ?? new Uint8Array(33))
  }, 120_000)
  afterAll(async () => {
    await Promise.all([payer?.close(), proverHost?.stop(), network?.close()])
  }, 60_000)

  const nowSeconds = () => Math.floor(Date.now() / 1000)
  const lies: readonly (readonly [string, RegExp, () => AdmissionChange])[] = [
    [
      'whose round is old',
      /denied: the round is \d+ s old/,
      () => ({
        request: { beaconRound: firstRoundFrom(network.beacon, nowSeconds() - 90) },
      }),
    ],
    [
      'whose round was known when it was accepted',
      /denied: the round was out/,
      () => ({ acceptedAt: nowSeconds() }),
    ],
    [
      'whose round lies in the future',
      /denied: the round lies in the future/,
      () => ({
        request: { beaconRound: firstRoundFrom(network.beacon, nowSeconds() + 30) },
      }),
    ],
    [
      'of another registry',
      /conflict: the request names another registry/,
      () => ({
        request: { registryHash: new Uint8Array(32) },
      }),
    ],
    [
      'of a foreign beacon',
      /conflict: the request names another beacon/,
      () => ({
        request: { beaconChain: new Uint8Array(32).fill(1) },
      }),
    ],
    [
      'that has expired',
      /bad request: the request has expired/,
      () => ({ request: { expiresAt: nowSeconds() - 1 } }),
    ],
    [
      'that is valid for hours',
      /bad request: .*valid for more than/,
      () => ({
        request: { expiresAt: nowSeconds() + 7200 },
      }),
    ],
    [
      'that its payer did not sign',
      /bad request: .*signature of its payer/,
      () => ({ payerSigner: Identity.generate() }),
    ],
    [
      'that its prover did not accept',
      /bad request: .*signature of the prover/,
      () => ({
        acceptanceSigner: Identity.generate(),
      }),
    ],
    [
      "with another round's signature",
      /bad request: .*beacon's signature/,
      () => ({
        beaconSignature: signRound(network.beaconSecret, firstRoundFrom(network.beacon, nowSeconds() - 10)),
      }),
    ],
    [
      'for more teams than the profile has',
      /bad request: request: the standard profile/,
      () => ({ request: { teams: 5 } }),
    ],
    [
      'for an uplink in one train',
      /bad request: .*an uplink is measured by teams of one/,
      () => ({ request: { direction: 1, profile: Profile.quick, teams: 1 } }),
    ],
  ]
  it.each(lies)('refuses a challenge %s', async (_, expected, change) => {
    const admission = payer.forge(change())
    expect((await statusOf(payer.session(target, admission, proverHost))).replace('_', ' ')).toMatch(expected)
  })

  it('serves what is in order, to the right peer only', async () => {
    const admission = payer.forge()
    expect(await statusOf(payer.session(target, admission))).toMatch(
      /denied: only the prover opens a session/,
    )
    const body = payer.plan(admission)
    expect(await statusOf(payer.sendPlan(target, body, proverHost))).toMatch(/denied: only the coordinator/)
    const { challengeId } = digestsOf(admission.request)
    const id = { challengeId, slot: 0, attempt: 0 }
    const [first] = body.plan.committee
    const own = payer.member(first ?? new Uint8Array(33))
    expect(await statusOf(payer.sendPlan(own, body))).toBe('ok')
    expect(await statusOf(payer.host.request(own, ARM_MESSAGE, id))).toMatch(
      /conflict: there is no plan or no session/,
    )
    const [a, b] = [
      await payer.session(own, admission, proverHost),
      await payer.session(own, admission, proverHost),
    ]
    expect(Buffer.compare(a.key, b.key)).toBe(0)
    expect(await statusOf(proverHost.request(own, ARM_MESSAGE, id))).toMatch(
      /denied: only the coordinator asks/,
    )
    expect(await statusOf(payer.host.request(own, ARM_MESSAGE, { ...id, slot: 1 }))).toMatch(
      /denied: .*not send in slot 1/,
    )
    expect(await statusOf(payer.host.request(own, ARM_MESSAGE, { ...id, attempt: 1 }))).toMatch(
      /comes before attempt 0/,
    )
    const commitments = [
      await payer.host.request(own, ARM_MESSAGE, id),
      await payer.host.request(own, ARM_MESSAGE, id),
    ]
    expect(commitments[0]).toEqual(commitments[1])
    const reveal = { ...id, roots: [new Uint8Array(32)], signature: payer.identity.sign(new Uint8Array(32)) }
    expect(await statusOf(payer.host.request(own, REVEAL_MESSAGE, reveal))).toMatch(
      /bad_request: .*signature of the prover/,
    )
    expect(await statusOf(proverHost.request(own, FINISH_MESSAGE, { challengeId }))).toMatch(/denied/)
    expect(await statusOf(payer.finish(own, challengeId))).toBe('ok')
    // What was served once is not served again, whatever was finished.
    expect(await statusOf(payer.session(own, admission, proverHost))).toMatch(/conflict: .*served before/)
  })

  it('accepts one plan per challenge, and only the one that the beacon draws', async () => {
    const admission = payer.forge()
    const { plan } = payer.plan(admission)
    const [first, ...others] = plan.committee
    const lying = [
      payer.plan(admission, { committee: [...others, first ?? new Uint8Array(33)] }),
      payer.plan(admission, { faulty: 0 }),
      payer.plan(admission, { memberRateKbps: 1 }),
      payer.plan(admission, { teamSize: 3, teams: 1 }),
      payer.plan(admission, {}, Identity.generate()),
    ]
    for (const body of lying) expect(await statusOf(payer.sendPlan(target, body))).toMatch(/^bad_request/)
    expect(await statusOf(payer.sendPlan(target, payer.plan(admission)))).toBe('ok')
    expect(await statusOf(payer.sendPlan(target, payer.plan(admission)))).toBe('ok')
    expect(await statusOf(payer.sendPlan(target, payer.plan(admission, { tauMicros: 300_000 })))).toMatch(
      /^conflict: another plan/,
    )
    // Two plans with one signature each: the member keeps the proof, and anybody can check it.
    const [member] = network.challengers
    const { faults } = dataPaths(member?.dataDir ?? '')
    const [kept] = await readdir(faults)
    expect(kept).toContain(`-plans-${payer.identity.address}.fault`)
    const checked = await network.run(['verify', '--fault', join(faults, kept ?? ''), '--json'])
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.stdout)).toMatchObject({ proven: true, kind: 'plans' })
  })

  it('serves one challenge a prover and round: varying the claim is no second try', async () => {
    const first = payer.forge()
    expect(await statusOf(payer.sendPlan(target, payer.plan(first)))).toBe('ok')
    const { beaconRound, claimKbps } = first.request
    const second = payer.forge({ request: { beaconRound, claimKbps: claimKbps - 1 } })
    expect(await statusOf(payer.sendPlan(target, payer.plan(second)))).toMatch(/^conflict: another challenge/)
  })

  it('knows no challenge that it was not asked into, and votes for nobody but the coordinator', async () => {
    const admission = payer.forge()
    const body = payer.plan(admission)
    const { challengeId } = body.plan
    const id = { challengeId, slot: 0, attempt: 0 }
    const nothing = payer.evidence(body, [0, 1, 2].map(emptySlot))
    const evidenceHash = new Uint8Array(32)
    expect(await statusOf(payer.host.request(target, ARM_MESSAGE, id))).toMatch(/^not_found/)
    expect(await statusOf(payer.vote(target, nothing))).toMatch(/^not_found/)
    expect(await statusOf(payer.sign(target, { challengeId, evidenceHash, votes: [null] }))).toMatch(
      /^not_found/,
    )
    expect(await statusOf(payer.finish(target, challengeId))).toMatch(/^not_found/)
    await payer.sendPlan(target, body)
    // Evidence without a single train would be voted for, and the vote be spent.
    expect(await statusOf(payer.vote(target, nothing, proverHost))).toMatch(/^denied: only the coordinator/)
    expect(await statusOf(payer.vote(target, new Uint8Array(100)))).toMatch(/^bad_request/)
    expect(await statusOf(payer.sign(target, { challengeId, evidenceHash, votes: [null] }))).toMatch(
      /^conflict/,
    )
  })
})
