/** The chain commands against a real chain: register, stake, unstake, claim, deploy, and what they say where they cannot. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DevChain,
  deploymentPath,
  parseAmount,
  readDeployment,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { createKeyFile } from '../../src/cli/key-file.js'
import { dataPaths } from '../../src/config/paths.js'
import { Identity } from '../../src/crypto/identity.js'
import { run as runInProcess } from '../unit/cli/in-process.js'
import { whyNoAnvil } from './support.js'

const PASSPHRASE = 'nobody guesses this'

describe.skipIf(whyNoAnvil !== undefined)('plumbline chain', () => {
  let dev: DevChain
  let directory: string
  let common: readonly string[]
  const hot = Identity.generate()
  const cold = Identity.generate()
  let wallet: string

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    directory = await mkdtemp(join(tmpdir(), 'plumbline-chain-cli-'))
    wallet = join(directory, 'cold.json')
    await createKeyFile(dataPaths(directory).key, hot, PASSPHRASE, 'light')
    await createKeyFile(wallet, cold, PASSPHRASE, 'light')
    await writeDeployment(deploymentPath(directory, dev.chainId), dev.deployment)
    await dev.fund(cold.address, parseAmount('100'))
    common = ['--data-dir', directory, '--rpc', dev.rpcUrl]
  })
  afterAll(async () => {
    await dev?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function run(...words: string[]) {
    const [subcommand = '', ...rest] = words
    const env = { PLUMBLINE_PASSPHRASE: PASSPHRASE }
    const outcome = await runInProcess(['chain', subcommand, ...rest, ...common, '--json'], { env })
    return { ...outcome, json: JSON.parse(outcome.stdout || '{}') }
  }

  it('shows what a registration would cost, and sends nothing', async () => {
    const { status, json } = await run(
      'register',
      '--host',
      '127.0.0.1',
      '--uplink',
      '200',
      '--seats',
      '2',
      '--wallet',
      wallet,
      '--dry-run',
    )
    expect(status).toBe(0)
    expect(json).toMatchObject({
      dryRun: true,
      from: cold.address,
      hotKey: hot.address,
      valueWei: String(parseAmount('2')),
    })
    expect(BigInt(json.needWei)).toBe(BigInt(json.valueWei) + BigInt(json.maxFeeWei))
    expect((await run('status')).json).toMatchObject({ node: null, hotKey: hot.address, registrySeats: 0 })
  })

  it('registers by a consent that was signed elsewhere, once', async () => {
    const consent = await run('consent', '--owner', cold.address)
    const file = join(directory, 'consent.json')
    await writeFile(file, consent.stdout)
    const words = [
      'register',
      '--host',
      '127.0.0.1',
      '--uplink',
      '200',
      '--seats',
      '1',
      '--bond',
      '0.3',
      '--wallet',
      wallet,
      '--consent',
      file,
    ]
    const { status, json } = await run(...words)
    expect(status).toBe(0)
    expect(json).toMatchObject({
      nodeId: 1,
      hotKey: hot.address,
      owner: cold.address,
      seats: 1,
      bondWei: String(parseAmount('0.3')),
    })
    expect((await run(...words)).json.error).toMatchObject({ code: 'EXISTS' })
    const told = (await run('status')).json
    const slotFeeWei = BigInt(told.terms.minSlotFeeWei)
    expect(told).toMatchObject({
      registrySeats: 1,
      node: { nodeId: 1, seats: 1, registered: true, stakeWei: String(parseAmount('1')) },
      // 200 Mbit/s for 1 s and for 0.2 s are 25 and 5 MB: a gigabyte is 40 and 200 slots.
      revenuePerGb: { leastWei: String(slotFeeWei * 40n), mostWei: String(slotFeeWei * 200n) },
      prover: { depositWei: String(parseAmount('0.3')) },
    })
  })

  it('adds to seats and deposit, and says when it is too early', async () => {
    expect((await run('stake', '--bond', '0.2', '--wallet', wallet)).json).toMatchObject({
      freeWei: String(parseAmount('0.5')),
    })
    const early = await run('stake', '--seats', '1', '--wallet', wallet)
    expect(early.status).toBe(1)
    expect(early.json.error.message).toMatch(
      /changing the node: the node was changed lately; it may change again at/,
    )
    await dev.increaseTime(1801)
    expect((await run('stake', '--seats', '2', '--wallet', wallet)).json).toMatchObject({ seats: 3 })
  })

  it('tells have and need where the paying key is poor', async () => {
    const { status, json } = await run('stake', '--bond', '0.1')
    expect(status).toBe(1)
    expect(json.error.message).toMatch(
      /not enough money at 0x\S+ for value and gas: have 0 ETH, need 0\.100\d* ETH/,
    )
    const cap = await run('stake', '--bond', '0.1', '--wallet', wallet, '--max-fee', '0.0001')
    expect(cap.json.error.message).toMatch(/gas is too expensive: have a cap of 0\.0001 gwei, need /)
  })

  it('has nothing to claim before anything was earned', async () => {
    expect((await run('claim', '--wallet', wallet)).json).toMatchObject({ paidWei: '0', challenges: 0 })
  })

  it('leaves, and takes the money out when it is free', async () => {
    expect((await run('unstake')).json.error).toMatchObject({ code: 'BAD_ARGUMENT' })
    const left = await run('unstake', '--leave', '--wallet', wallet)
    expect(left.json).toMatchObject({ seats: 0, unbondingWei: String(parseAmount('3')) })
    const bonded = await run('unstake', '--withdraw', '--wallet', wallet)
    expect(bonded.json.error.message).toMatch(/the stake is still bonded, until/)
    await dev.increaseTime(3601)
    expect((await run('unstake', '--withdraw', '--wallet', wallet)).json).toMatchObject({ unbondingWei: '0' })
    expect((await run('unstake', '--bond', '0.5', '--wallet', wallet)).json).toMatchObject({
      depositWei: '0',
    })
    const joined = await run('register', '--host', '127.0.0.1', '--wallet', wallet)
    expect(joined.json).toMatchObject({ nodeId: 1, seats: 0 })
  })

  it('deploys, writes the addresses, and overwrites none', async () => {
    const out = join(directory, 'own.json')
    const words = ['deploy', '--wallet', wallet, '--preset', 'development', '--out', out]
    expect((await run(...words, '--dry-run')).json).toMatchObject({ dryRun: true, absent: null })
    const { status, json } = await run(...words)
    expect(status).toBe(0)
    expect(JSON.parse(await readFile(out, 'utf8')).contracts).toEqual(json.contracts)
    expect((await run(...words)).json.error).toMatchObject({ code: 'EXISTS' })
    expect((await run('status', '--addresses', out)).json).toMatchObject({ registrySeats: 0 })
  })

  it('runs a chain of its own until it is told to stop', { timeout: 120_000 }, async () => {
    const stop = new AbortController()
    const own = join(directory, 'dev')
    const words = [
      'chain',
      'dev',
      '--data-dir',
      own,
      '--port',
      '0',
      '--beacon-port',
      '0',
      '--fund',
      cold.address,
      '--json',
    ]
    const running = runInProcess(words, { signal: stop.signal })
    const path = deploymentPath(own, 31337)
    for (let i = 0; i < 600 && !existsSync(path); i++) await sleep(50)
    stop.abort()
    const { status, stdout } = await running
    expect(status).toBe(0)
    const said = JSON.parse(stdout)
    expect(said.contracts).toEqual((await readDeployment(path)).contracts)
    expect(said.accounts.at(-1)).toBe(cold.address)
    expect(said.beacon).toMatchObject({
      kind: 'local',
      chainHash: (await readDeployment(path)).beacons[1]?.chainHash,
    })
    expect(JSON.stringify(said)).not.toMatch(/secret|private/i)
    await expect(fetch(said.rpcUrl, { method: 'POST', body: '{}' })).rejects.toThrow()
    await expect(fetch(said.beacon.urls[0])).rejects.toThrow()
  })

  it('says what is missing: servers, addresses, the right chain', async () => {
    const env = { PLUMBLINE_PASSPHRASE: PASSPHRASE }
    const bare = await runInProcess(['chain', 'status', '--data-dir', directory, '--json'], { env })
    expect(bare.status).toBe(2)
    expect(JSON.parse(bare.stdout).error.message).toBe('no RPC server of a chain is configured')
    expect((await run('status', '--chain-id', '5')).json.error.message).toMatch(
      /is on chain 31337, not on chain 5/,
    )
    expect((await run('status', '--addresses', join(directory, 'none.json'))).json.error).toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})
