import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from './in-process.js'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-init-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

it('ends with steps that lead somewhere, also for who has no network yet', async () => {
  const dataDir = join(root, 'node')
  const args = ['init', '--roles', 'prover', '--key-cost', 'light', '--data-dir', dataDir]
  const env = { PLUMBLINE_PASSPHRASE: 'a long enough passphrase' }
  const first = await run(args, { env })
  expect(first).toMatchObject({ status: 0, stderr: '' })
  expect(first.stdout).toContain('1. copy key.json')
  expect(first.stdout).toContain("2. ask your network's operator for its registry file")
  expect(first.stdout).toContain(join(dataDir, 'registry.json'))
  expect(first.stdout).toContain(`plumbline prover --claim <Mbit/s> --data-dir ${dataDir}`)
  expect(first.stdout).toContain('plumbline demo')
  expect(first.stdout.split('\n').filter((line) => line.length > 80 && !line.includes(root))).toEqual([])

  const again = await run(args, { env })
  expect(again.stdout).toContain("1. ask your network's operator")
})

it('tells a provider what it needs: models, prices and a chain, and neither a registry nor a claim', async () => {
  const dataDir = join(root, 'seller')
  const env = { PLUMBLINE_PASSPHRASE: 'a long enough passphrase' }
  const init = (roles: string) =>
    run(['init', '--roles', roles, '--key-cost', 'light', '--data-dir', dataDir], { env })
  const { stdout } = await init('provider')
  for (const step of [
    `plumbline models list --data-dir ${dataDir}`,
    'inference.provider.models',
    'chain.rpcUrls',
    `plumbline doctor --data-dir ${dataDir}`,
    `plumbline provider --data-dir ${dataDir}`,
  ])
    expect(stdout).toContain(step)
  expect(stdout).not.toMatch(/registry|--claim|measure/)
  expect(stdout.split('\n').filter((line) => line.length > 80 && !line.includes(root))).toEqual([])

  const auditor = (await init('auditor')).stdout
  for (const step of ['chain.rpcUrls', 'network.bootstrap', `plumbline node --data-dir ${dataDir}`])
    expect(auditor).toContain(step)
  expect(auditor).not.toMatch(/registry|--claim|measure/)
  const payer = (await init('payer')).stdout
  for (const step of ['registry file', 'plumbline measure <peer> --claim', 'ether'])
    expect(payer).toContain(step)
  expect(payer).not.toContain('plumbline prover')
  for (const text of [auditor, payer])
    expect(text.split('\n').filter((line) => line.length > 80 && !line.includes(root))).toEqual([])

  const both = (await init('prover,provider')).stdout
  for (const step of ['registry file', 'inference.provider.models', 'plumbline node --claim'])
    expect(both).toContain(step)
})
