import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { dataPaths } from '../../../src/config/paths.js'
import { signRegistry } from '../../../src/pob/registry.js'
import { challengeIdOf } from '../../../src/pob/request.js'
import { encodeTranscript } from '../../../src/pob/transcript.js'
import { openStore } from '../../../src/store/index.js'
import {
  type BuiltChallenge,
  buildChallenge,
  identityOf,
  sealed,
  sealTranscript,
} from '../../support/challenge-builder.js'
import { complaint, type RunOutcome, run } from './in-process.js'

let root: string
let challenge: BuiltChallenge
let content: Uint8Array
const file = (name: string): string => join(root, name)

/** A file with a beacon's parameters, as `beacon new` prints them. */
const beaconYaml = ({ beacon }: BuiltChallenge): string =>
  stringify({
    beacon: {
      kind: 'local',
      urls: ['http://127.0.0.1:1'],
      chainHash: bytesToHex(beacon.chainHash),
      publicKey: bytesToHex(beacon.publicKey),
      genesisTimeSeconds: beacon.genesisTimeSeconds,
      periodSeconds: beacon.periodSeconds,
    },
  })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-verify-'))
  challenge = buildChallenge()
  content = sealed(challenge)
  const other = buildChallenge({ label: 'other' })
  await writeFile(file('result.pob'), content)
  await writeFile(file('registry.json'), signRegistry(challenge.registry.entries, identityOf('publisher')))
  await writeFile(file('beacon.yaml'), beaconYaml(challenge))
  await writeFile(file('other-registry.json'), signRegistry(other.registry.entries, identityOf('publisher')))
  await writeFile(file('other-beacon.yaml'), beaconYaml(other))
})
afterAll(() => rm(root, { recursive: true, force: true }))

interface Options {
  readonly registry?: string
  readonly beacon?: string
  readonly args?: readonly string[]
}

const verify = (
  name: string,
  { registry = 'registry.json', beacon = 'beacon.yaml', args = [] }: Options = {},
) => run(['verify', file(name), '--registry', file(registry), '--beacon', file(beacon), ...args])
const parsed = (outcome: RunOutcome) => JSON.parse(outcome.stdout)

describe('verify of a genuine transcript', () => {
  it('is anchored with the registry and the beacon that the verifier trusts', async () => {
    const outcome = await verify('result.pob')
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(outcome.stdout).toMatch(/^VERIFIED \(anchored\)/)
    expect(outcome.stdout).toContain(identityOf('publisher').address)
    expect(outcome.stdout).toContain('if at most 1 of the 6 challengers is corrupt')
    const long = outcome.stdout.split('\n').filter((line) => line.length > 80 && !line.includes(root))
    expect(long).toEqual([])
  })

  it('says the same as an object', async () => {
    const value = parsed(await verify('result.pob', { args: ['--json'] }))
    expect(value).toMatchObject({ level: 'anchored', wanted: 'anchored', reached: true, faults: [] })
    expect(value.missing).toEqual(['chain'])
    expect(value.measurement).toMatchObject({
      challengeId: `0x${bytesToHex(challengeIdOf(challenge.evidence.request))}`,
      profile: 'standard',
      claimMbps: 3,
    })
    expect(value.measurement.guaranteedMbps).toBeGreaterThan(2)
  })

  it('is consistent without anything trusted, and that alone is not success', async () => {
    expect(await run(['verify', file('result.pob'), '--level', 'consistent'])).toMatchObject({ status: 0 })
    const env = { PLUMBLINE_DATA_DIR: file('nowhere') }
    const outcome = await run(['verify', file('result.pob'), '--beacon', file('beacon.yaml')], { env })
    expect(outcome.status).toBe(1)
    expect(outcome.stdout).toMatch(/^NOT ANCHORED, only consistent/)
    expect(outcome.stdout).toContain('--registry')
  })

  it('is not settled without a chain to compare with, and says so', async () => {
    const outcome = await verify('result.pob', { args: ['--level', 'settled'] })
    expect(outcome.status).toBe(1)
    expect(outcome.stdout.replace(/\s+/g, ' ')).toContain('name the chain that it was settled on with --rpc')
  })

  it('says in one line that it claims more than is to be recomputed, and takes the word for more', async () => {
    const outcome = await verify('result.pob', { args: ['--max-gib', '1e-6'] })
    expect(outcome).toMatchObject({ status: 1, stderr: '' })
    expect(outcome.stdout.replace(/\s+/g, ' ')).toMatch(
      /^NOT CHECKED: 0\.01 GiB of traffic are to be recomputed.*; raise --max-gib to go on\./,
    )
    expect(parsed(await verify('result.pob', { args: ['--max-gib', '1e-6', '--json'] }))).toMatchObject({
      level: null,
      reached: false,
      measurement: null,
    })
    expect(await verify('result.pob', { args: ['--max-gib', '0.01'] })).toMatchObject({ status: 0 })
    const wrong = await verify('result.pob', { args: ['--max-gib', '0'] })
    expect(wrong.status).toBe(2)
    expect(complaint(wrong)).toContain('--max-gib expects a number above 0')
  })

  it.each([
    ['registry', { registry: 'other-registry.json' }, 'registry_unknown'],
    ['beacon', { beacon: 'other-beacon.yaml' }, 'beacon_unknown'],
  ])('stops at consistent with another %s', async (_, options, code) => {
    const value = parsed(await verify('result.pob', { ...options, args: ['--json'] }))
    expect(value).toMatchObject({ level: 'consistent', reached: false })
    expect(value.faults.map((fault: { code: string }) => fault.code)).toContain(code)
  })

  it('takes the trust from the configuration, and finds a challenge by its id', async () => {
    const dataDir = file('node')
    const paths = dataPaths(dataDir)
    const id = bytesToHex(challengeIdOf(challenge.evidence.request))
    await mkdir(paths.transcripts, { recursive: true })
    await writeFile(join(paths.transcripts, `${id}.pob`), content)
    await writeFile(paths.registry, signRegistry(challenge.registry.entries, identityOf('publisher')))
    await writeFile(paths.config, beaconYaml(challenge))
    for (const name of [id, `0x${id.toUpperCase()}`])
      expect(await run(['verify', name, '--data-dir', dataDir])).toMatchObject({ status: 0 })
    const unknown = await run(['verify', '00'.repeat(32), '--data-dir', dataDir])
    expect(complaint(unknown)).toContain('no transcript of challenge 0000000000000000')
  })

  it('finds a challenge that a daemon took part in, in its store', async () => {
    const dataDir = file('served')
    const id = bytesToHex(challengeIdOf(challenge.evidence.request))
    const store = await openStore(dataPaths(dataDir).store)
    await store.transcripts.put(id, content)
    const args = ['verify', id, '--data-dir', dataDir, '--level', 'consistent']
    // The daemon holds the store while it runs.
    expect((await run(args)).status).toBe(1)
    await store.close()
    expect(await run(args)).toMatchObject({ status: 0 })
  })

  it('converts rates to other layers', async () => {
    const at = async (layer: string) =>
      parsed(await verify('result.pob', { args: ['--json', '--layer', layer] })).measurement.estimateMbps
    const layer3 = await at('3')
    expect(await at('2')).toBeCloseTo((layer3 * 1450) / 1436, 2)
    expect(await at('4')).toBeCloseTo((layer3 * 1408) / 1436, 2)
  })
})

describe('verify of anything else', () => {
  const tampered = {
    'the value raised': () => {
      const transcript = sealTranscript(challenge)
      return [
        encodeTranscript({ ...transcript, guaranteedKbps: transcript.guaranteedKbps + 1 }),
        'result_value',
      ]
    },
    'a byte of the evidence flipped': () => {
      const transcript = sealTranscript(challenge)
      const evidence = transcript.evidence.slice()
      evidence[evidence.length - 10] = (evidence[evidence.length - 10] ?? 0) ^ 1
      return [encodeTranscript({ ...transcript, evidence }), undefined]
    },
    'too few signatures': () => {
      const transcript = sealTranscript(challenge)
      return [
        encodeTranscript({ ...transcript, signatures: transcript.signatures.map(() => null) }),
        'signatures_missing',
      ]
    },
  } satisfies Record<string, () => [Uint8Array, string | undefined]>

  it.each(Object.entries(tampered))('rejects it with %s', async (name, make) => {
    const [bytes, code] = make()
    await writeFile(file(`${name}.pob`), bytes)
    const outcome = await verify(`${name}.pob`, { args: ['--json'] })
    expect(outcome.status).toBe(1)
    const value = parsed(outcome)
    expect(value).toMatchObject({ level: null, reached: false })
    expect(value.verdict).toMatch(/^REJECTED/)
    if (code !== undefined) expect(value.faults.map((fault: { code: string }) => fault.code)).toContain(code)
    expect((await verify(`${name}.pob`)).stdout).toContain(value.faults[0].code)
  })

  it.each([
    ['nothing', () => new Uint8Array(0)],
    ['one byte', () => Uint8Array.of(0xa7)],
    ['text', () => new TextEncoder().encode('{"version": 1}')],
    ['a cut transcript', () => content.slice(0, content.length / 2)],
    ['a transcript and one byte more', () => Uint8Array.of(...content.slice(0, 50_000), 0)],
    ['deep nesting', () => new Uint8Array(100_000).fill(0x81)],
    ['a length that lies', () => Uint8Array.of(0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
  ])('rejects %s in one verdict', async (name, make) => {
    await writeFile(file(`${name}.bin`), make())
    const outcome = await verify(`${name}.bin`)
    expect(outcome).toMatchObject({ status: 1, stderr: '' })
    expect(outcome.stdout).toMatch(/^REJECTED: this is no plumbline transcript/)
    expect(outcome.stdout).toContain('malformed')
    // What was trusted had no part in it.
    expect(outcome.stdout).not.toMatch(/Beacon|Registry/)
  })

  it.each([
    [['verify', '/no/such/file'], 'there is no file /no/such/file'],
    [['verify', tmpdir()], 'is not a file'],
  ])('%j: one line', async (args, expected) => {
    const outcome = await run(args)
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(1)
  })

  it.each([
    ['a registry that is none', 'not in the format'],
    ['a registry whose list was changed', 'signature'],
    ['a beacon without a key', 'publicKey'],
    ['a beacon that is no YAML', 'mend the YAML'],
  ])('names %s', async (name, expected) => {
    const bad = file(`${name}.bad`)
    const signed = JSON.parse(signRegistry(challenge.registry.entries, identityOf('publisher')))
    signed.entries[0].uplinkKbps++
    const contents: Record<string, string> = {
      'a registry that is none': '{}',
      'a registry whose list was changed': JSON.stringify(signed),
      'a beacon without a key': 'beacon:\n  kind: local\n',
      'a beacon that is no YAML': 'beacon: [1, 2',
    }
    await writeFile(bad, contents[name] ?? '')
    const options = name.includes('registry')
      ? ['--registry', bad, '--beacon', file('beacon.yaml')]
      : ['--registry', file('registry.json'), '--beacon', bad]
    const outcome = await run(['verify', file('result.pob'), ...options])
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(1)
  })

  it('says that a beacon of that name is not known', async () => {
    const args = ['verify', file('result.pob'), '--registry', file('registry.json'), '--beacon', 'quiknet']
    expect(complaint(await run(args))).toContain('no beacon is named "quiknet"')
  })

  it('does not let a registry be absent that was asked for by name', async () => {
    const outcome = await run(['verify', file('result.pob'), '--registry', file('gone.json')])
    expect(complaint(outcome)).toContain('there is no registry at')
  })

  it('does not call a registry absent that cannot be read', async () => {
    const outcome = await run(['verify', file('result.pob'), '--registry', file('.')])
    expect(complaint(outcome)).toContain('it is a directory')
    expect(outcome.status).toBe(1)
  })
})
