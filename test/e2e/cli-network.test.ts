/**
 * The whole way through the command line: a beacon, a challenge server, a prover and a payer set up as an operator would,
 * a measurement, its verification, and clean ends. On loopback: what is measured is not a link, so no rate is judged.
 */

import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli, ended, ensureBuilt, type Running, shows, start } from './cli-process.js'

const env = { PLUMBLINE_PASSPHRASE: 'correct horse' }
/** Members and prover must not share a /24. */
const PROVER_HOST = '127.0.11.1'
const MEMBER_HOST = '127.0.12.1'

let root: string
let beacon: Running
let challenger: Running
let prover: Running
let proverAddress: string
const dir = (name: string): string => join(root, name)

async function freeUdpPort(host: string): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, host, resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

/** A data directory whose configuration trusts our beacon and listens where it is told. */
async function setUp(name: string, host: string, beaconYaml: string, udpPort = 4022): Promise<void> {
  const made = await cli(['init', '--data-dir', dir(name), '--key-cost', 'light'], { env })
  expect(made.status).toBe(0)
  await writeFile(
    join(dir(name), 'config.yaml'),
    `${beaconYaml}
network: { listen: [/ip4/${host}/tcp/0] }
dataPlane: { host: ${host}, udpPort: ${udpPort} }
prover: { minIntervalSeconds: 0 }
challenger: { operator: somebody }
registry: { path: ${dir('registry.json')} }
`,
  )
}

const measureArgs = (...args: string[]): string[] => [
  ...['measure', proverAddress, '--claim', '8', '--challengers', '1', '--faulty', '0'],
  ...['--data-dir', dir('payer'), ...args],
]

beforeAll(async () => {
  ensureBuilt()
  root = await mkdtemp(join(tmpdir(), 'plumbline-net-'))
  await cli(['beacon', 'new', '--out', dir('beacon.json'), '--period', '1'])
  beacon = start(['beacon', 'serve', '--key', dir('beacon.json'), '--port', '0'])
  await shows(beacon, /periodSeconds: 1\n/)
  const beaconYaml = beacon.stdout
  const udpPort = await freeUdpPort(MEMBER_HOST)
  await setUp('challenger', MEMBER_HOST, beaconYaml, udpPort)
  await setUp('prover', PROVER_HOST, beaconYaml)
  await setUp('payer', PROVER_HOST, beaconYaml)

  const entryArgs = ['registry', 'entry', '--data-dir', dir('challenger'), '--host', MEMBER_HOST]
  // The challenger listens on a port of the system's choice, so the first registry lacks its address.
  const sign = async (list: string) => {
    await writeFile(dir('list.yaml'), list)
    const signed = await cli(['registry', 'sign', dir('list.yaml'), '--data-dir', dir('payer')], { env })
    expect(signed.stderr).toBe('')
  }
  const entry = await cli([...entryArgs, '--uplink', '100'])
  await sign(entry.stdout)
  challenger = start(['challenger', '--uplink', '100', '--data-dir', dir('challenger')], { env })
  const [, memberAddress = ''] = await shows(challenger, /listens on (\S+\/tcp\/\d+)/)
  await sign(entry.stdout.replace(/\/ip4\/[^\s]+\/tcp\/0/, memberAddress))
  prover = start(['prover', '--claim', '8', '--data-dir', dir('prover')], { env })
  ;[, proverAddress = ''] = await shows(prover, /plumbline measure (\S+) --claim 8\n/)
}, 60_000)

afterAll(async () => {
  for (const running of [challenger, prover, beacon]) running?.child.kill('SIGKILL')
  await rm(root, { recursive: true, force: true })
})

describe('a network of one challenger', () => {
  it('shows what its daemons do', async () => {
    const outcome = await cli(['status', '--data-dir', dir('challenger'), '--json'])
    expect(JSON.parse(outcome.stdout)).toMatchObject({ roles: ['challenger'], registry: { listed: true } })
    expect(outcome.status).toBe(0)
    const second = await cli(['prover', '--claim', '8', '--data-dir', dir('prover')], { env })
    expect(second.status).toBe(1)
    expect(second.stderr).toMatch(/^plumbline: another process uses/m)
  })

  it('measures, streams what happens, and the result verifies', async () => {
    const measured = await cli(measureArgs('--json-stream'), { env })
    const events = measured.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual([
      ...['requested', 'drawn', 'paths', 'slot_started', 'slot_ended', 'voted', 'signed', 'result'],
    ])
    const result = events.at(-1)
    expect(result).toMatchObject({ profile: 'standard', claimMbps: 8, layer: 3, attempts: 1 })
    expect(result.guaranteedMbps).toBeGreaterThan(0)

    const verified = await cli(['verify', result.challengeId, '--data-dir', dir('payer'), '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({
      level: 'anchored',
      reached: true,
      measurement: { challengeId: result.challengeId, guaranteedMbps: result.guaranteedMbps },
    })
    expect(verified.status).toBe(0)
    const transcript = await readFile(result.transcript.path)
    await writeFile(dir('cut.pob'), transcript.subarray(0, transcript.length - 1))
    expect((await cli(['verify', dir('cut.pob'), '--data-dir', dir('payer')])).status).toBe(1)
  })

  it('prints a result for people, with the command that verifies it', async () => {
    const measured = await cli(measureArgs('--profile', 'quick', '--layer', '2'), { env })
    expect(measured.stdout).toMatch(/Estimate +\d+\.\d+ Mbit\/s/)
    expect(measured.stdout).toContain('layer 2: Ethernet frames')
    expect(measured.stderr).toMatch(/slot 1 +\[#+\.*\]/)
    const command = /Check it +plumbline (.*)/.exec(measured.stdout)?.[1]?.split(' ') ?? []
    const verified = await cli(command)
    expect(verified.stdout).toMatch(/^VERIFIED \(anchored\)/)
  })

  it('ends a measurement at the first Ctrl-C, in one line', async () => {
    const running = start(measureArgs('--json-stream'), { env })
    await shows(running, /"requested"/)
    running.child.kill('SIGINT')
    const outcome = await ended(running)
    expect(outcome.status).toBe(130)
    expect(outcome.stderr).toBe('plumbline: interrupted\n')
    expect(outcome.stdout.trimEnd().split('\n').at(-1)).toContain('"INTERRUPTED"')
  })

  it('says why a challenge cannot be run', async () => {
    const few = await cli(measureArgs('--profile', 'strict', '--teams', '60'), { env })
    expect(few.status).toBe(1)
    expect(few.stderr.trimEnd().split('\n').at(-1)).toMatch(/^plumbline: /)
    const stranger = '16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp'
    const nobody = await cli(['measure', stranger, '--claim', '8', '--data-dir', dir('payer'), '--json'], {
      env,
    })
    expect(nobody.status).toBe(1)
    expect(JSON.parse(nobody.stdout)).toMatchObject({ error: { code: expect.any(String) } })
  })

  it('stops its daemons cleanly at SIGTERM', async () => {
    for (const running of [prover, challenger]) {
      running.child.kill('SIGTERM')
      expect((await ended(running)).status).toBe(0)
    }
    const gone = await cli(['status', '--data-dir', dir('prover')])
    expect(gone.stderr).toContain('no daemon runs here')
  })
})
