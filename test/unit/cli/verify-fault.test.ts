import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveControlSocket } from '../../../src/p2p/control-socket.js'
import { challengeIdOf } from '../../../src/pob/request.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge, sealed, signTestimony, withSlot } from '../../support/challenge-builder.js'
import { complaint, run } from './in-process.js'

const built = buildChallenge({
  label: 'verify fault',
  claimKbps: 700,
  committeeSize: 3,
  faulty: 1,
  teamSize: 1,
})
const { evidence, signers } = built
const id = bytesToHex(challengeIdOf(evidence.request))
const [member] = signers.members
const accused = member?.address ?? ''

let root: string
const file = (name: string): string => join(root, name)

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-fault-'))
  const lying = withSlot(evidence, 0, (record) => {
    const [first] = record.testimonies
    if (first === null || first === undefined || member === undefined) throw new Error('no testimony')
    const other = { ...first, seed: new Uint8Array(32).fill(3) }
    return { ...record, testimonies: [signTestimony({ request: evidence.request }, record, member, other)] }
  })
  await writeFile(file('result.pob'), sealed(built))
  await writeFile(file('lying.pob'), sealed(built, lying))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('a fault', () => {
  it('is made into a proof from a transcript, and checked alone', async () => {
    const made = await run([
      'chain',
      'dispute',
      file('lying.pob'),
      '--dry-run',
      '--proofs-to',
      file('proofs'),
      '--json',
    ])
    expect(made).toMatchObject({ status: 0, stderr: '' })
    const name = `${id}-seed-${accused}.fault`
    expect(await readdir(file('proofs'))).toEqual([name])
    expect(JSON.parse(made.stdout).proofs).toEqual([join(file('proofs'), name)])
    const checked = await run(['verify', '--fault', join(file('proofs'), name)])
    expect(checked).toMatchObject({ status: 0, stderr: '' })
    expect(checked.stdout).toContain(`PROVEN: ${accused}\nrevealed another seed than it had committed to.`)
    const object = JSON.parse((await run(['verify', '--fault', join(file('proofs'), name), '--json'])).stdout)
    expect(object).toMatchObject({
      proven: true,
      kind: 'seed',
      accused,
      challengeId: `0x${id}`,
      slot: 0,
      attempt: 0,
    })
    // The proof does where transcripts do.
    const again = await run(['chain', 'dispute', join(file('proofs'), name), '--dry-run', '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({ faults: [{ kind: 'seed', accused }] })
  })

  it('is none in anything else, and that is exit status 1', async () => {
    const outcome = await run(['verify', '--fault', file('result.pob')])
    expect(outcome.status).toBe(1)
    const small = file('small.fault')
    await writeFile(small, Uint8Array.of(0xa0))
    const nothing = await run(['verify', '--fault', small])
    expect(nothing).toMatchObject({ status: 1, stderr: '' })
    expect(nothing.stdout).toMatch(/^NOT PROVEN/)
    expect(complaint(await run(['verify', '--fault', '/no/such']))).toContain('there is no file')
    expect(complaint(await run(['verify']))).toContain('--fault')
  })
})

describe('status', () => {
  it('finds the daemon of a configuration', async () => {
    await writeFile(file('config.yaml'), `dataDir: ${file('node')}\n`)
    await mkdir(file('node'))
    const status = async () => ({ healthy: true })
    const socket = await serveControlSocket(join(file('node'), 'control.sock'), { status }, silentLogger)
    try {
      const outcome = await run(['status', '--config', file('config.yaml'), '--json'])
      expect(outcome).toMatchObject({ status: 0, stderr: '' })
    } finally {
      await socket.close()
    }
  })
})
