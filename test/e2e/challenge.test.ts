/**
 * Whole challenges by the real command line: daemons as separate processes on loopback, `measure`, `verify`. Nothing here
 * compares times: loopback has no bottleneck, so what is checked is who took part, what was signed, and what verifies.
 */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { usedThisMonth } from '../../src/node/data-budget.js'
import { decodeTranscript } from '../../src/pob/transcript.js'
import type { MeasureResult } from '../../src/roles/measure-result.js'
import { readHistory } from '../../src/store/history.js'
import { CLAIM_MBPS, LocalNetwork, whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e challenge: skipped: ${reason}\n`)

/** No set of honest members is credited more than was offered. */
const CAP_MBPS = 1.2 * CLAIM_MBPS

describe.skipIf(reason !== undefined)('a challenge on loopback', { timeout: 120_000 }, () => {
  let network: LocalNetwork
  let processes: { readonly prover: NodeProcess; readonly challenger: NodeProcess }
  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 3 })
    const { prover, challengers } = await network.startAll()
    const [challenger = prover] = challengers
    processes = { prover, challenger }
  }, 120_000)
  afterAll(() => network?.close(), 60_000)

  const verify = async (path: string, more: readonly string[] = []) => {
    const { code, stdout } = await network.run([
      'verify',
      path,
      '--data-dir',
      network.payer.dataDir,
      '--json',
      ...more,
    ])
    return { code, verdict: JSON.parse(stdout) as Readonly<Record<string, unknown>> }
  }

  it('of the standard profile runs teams of one, and its transcript is anchored, twice', async () => {
    const result = await network.measure()
    expect(result.profile).toBe('standard')
    expect(result.faultTolerance).toMatchObject({ n: 3, f: 1, teams: 3, members: 1 })
    expect(result.slots.length).toBeGreaterThanOrEqual(2)
    expect(result.guaranteedMbps).toBeGreaterThan(0)
    expect(result.guaranteedMbps).toBeLessThanOrEqual(CAP_MBPS)
    const before = await readFile(result.transcript.path)
    const signed = decodeTranscript(before).signatures.filter((each) => each !== null)
    expect(signed.length).toBeGreaterThanOrEqual(2)
    for (let i = 0; i < 2; i++)
      expect(await verify(result.transcript.path)).toMatchObject({
        code: 0,
        verdict: { level: 'anchored', measurement: { guaranteedMbps: result.guaranteedMbps } },
      })
    expect(Buffer.compare(before, await readFile(result.transcript.path))).toBe(0)
  })

  it('of the quick profile sends with everybody at once', async () => {
    const result = await network.measure(['--profile', 'quick'])
    expect(result.faultTolerance).toMatchObject({ n: 3, f: 1, teams: 1, members: 3 })
    expect(result.slots).toHaveLength(1)
    expect(result.guaranteedMbps).toBeLessThanOrEqual(CAP_MBPS)
    expect(await verify(result.transcript.path)).toMatchObject({ code: 0, verdict: { level: 'anchored' } })
  })

  it('of the strict profile chooses its teams from beta, delta and the registry', async () => {
    const [command = '', target = ''] = network.measureArguments()
    const asked = ['--claim', String(CLAIM_MBPS), '--profile', 'strict', '--delta', '0.2', '--attempts', '2']
    const args = [command, target, ...asked, '--data-dir', network.payer.dataDir, '--json-stream']
    const { code, stdout, stderr } = await network.run(args)
    expect([code, stderr]).toEqual([0, expect.any(String)])
    const lines = stdout.trim().split('\n')
    const chosen = lines
      .map((line) => JSON.parse(line) as { event?: string })
      .filter(({ event }) => event === 'chosen')
    expect(chosen[0]).toMatchObject({ teams: 3, teamSize: 1, challengers: 3, cleanTeams: 2, pool: 3 })
    const result = JSON.parse(lines.at(-1) ?? '') as MeasureResult
    expect(result.bestOf?.length).toBe(chosen.length)
    expect(result.faultTolerance).toMatchObject({ n: 3, teams: 3, members: 1 })
    expect(result.faultTolerance.assumptions).toContain('the best of up to 2 attempts, >= 0.8')
    expect(await verify(result.transcript.path)).toMatchObject({ code: 0, verdict: { level: 'anchored' } })
  })

  it('of both directions: the uplink by echo, in teams of one, and verify says whose word it is', async () => {
    const both = (await network.measure([
      '--direction',
      'both',
      '--uplink-claim',
      '2',
    ])) as unknown as Readonly<Record<'down' | 'up', MeasureResult>>
    expect(both.down.direction).toBe('down')
    expect(both.up).toMatchObject({ direction: 'up', claimMbps: 2, faultTolerance: { teams: 3, members: 1 } })
    expect(both.up.guaranteedMbps).toBeGreaterThan(0)
    expect(both.up.guaranteedMbps).toBeLessThanOrEqual(2.4)
    expect(await verify(both.up.transcript.path)).toMatchObject({
      code: 0,
      verdict: {
        level: 'anchored',
        measurement: { direction: 'up', quality: expect.arrayContaining(['echo_testimony']) },
      },
    })
    const { stdout } = await network.run(['history', '--data-dir', network.payer.dataDir, '--json'])
    const { challenges } = JSON.parse(stdout) as {
      challenges: { challengeId: string; bytes: number; trafficBytes: number }[]
    }
    const ids = challenges.map(({ challengeId }) => challengeId)
    expect(ids).toEqual(expect.arrayContaining([both.down.challengeId, both.up.challengeId]))
    // What was moved is what the month's budget holds, and more than what the proofs are made of.
    for (const { bytes, trafficBytes } of challenges) expect(trafficBytes).toBeGreaterThan(bytes)
    // The prover's daemon keeps what its own probes saw.
    const kept = await readHistory(dataPaths(network.prover.dataDir).history)
    const told = kept.filter(
      ({ role, idleMicros, loadedMicros }) =>
        role === 'prover' && idleMicros !== undefined && loadedMicros !== undefined,
    )
    expect(told.length).toBeGreaterThan(0)
    const moved = challenges.reduce((sum, { trafficBytes }) => sum + trafficBytes, 0)
    expect(await usedThisMonth(network.payer.dataDir, new Date())).toBeGreaterThanOrEqual(moved)
  })

  it('with --available counts the trains of the search, too, and refuses what may exceed the cap', async () => {
    const result = await network.measure(['--available'])
    expect(result.available?.steps.length).toBeGreaterThan(0)
    // Trains of half a second at least at the least rate that is tried.
    expect(result.trafficBytes).toBeGreaterThan(result.bytes + 65_536 + 1436)
    const refused = await network.refusal(['--data-cap', `${result.trafficBytes / 1e6}MB`])
    expect(refused).toContain('data cap reached')
  })

  it('reaches a prover that listens nowhere, through a relay', async () => {
    const [relay] = network.challengers
    if (relay === undefined) throw new Error('no challenger')
    const { challenger, prover } = processes
    await Promise.all([challenger.stop(), prover.stop()])
    const { host, dataDir, address } = relay
    await network.configure(dataDir, host, {
      network: { listen: [`/ip4/${host}/tcp/4021`], enableRelayServer: true },
      dataPlane: { host, udpPort: 4022 },
      challenger: { uplinkMbps: 100, operator: 'operator-0' },
    })
    await network.daemon('challenger', relay)
    await network.configure(network.prover.dataDir, network.prover.host, {
      network: { listen: [], relays: [address] },
      prover: { claimMbps: CLAIM_MBPS, minIntervalSeconds: 0 },
    })
    const started = await (await network.daemon('prover', network.prover)).event('started')
    const circuit = `${address}/p2p-circuit/p2p/${network.prover.identity.peerId}`
    expect(started.addresses).toEqual([circuit])
    const result = await network.measure([], circuit)
    // The relay is a challenger as well, and not left out.
    expect(result.faultTolerance).toMatchObject({ n: 3, teams: 3 })
    expect(await verify(result.transcript.path)).toMatchObject({ code: 0, verdict: { level: 'anchored' } })
  })
})
