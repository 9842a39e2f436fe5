/** The month's data: what is counted before, after, and where a measurement fails or is killed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataBudget, usedThisMonth } from '../../../src/node/data-budget.js'
import { appendHistory, type HistoryRecord } from '../../../src/store/history.js'
import { reserveBytes } from '../../../src/store/spending.js'
import { silentLogger } from '../../../src/telemetry/logger.js'

const NOW = new Date(2026, 10, 16, 12)
const PEER = '16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp'

/** As a node wrote them before bytes were counted apart. */
const oldRecord = (i: number, more: Partial<HistoryRecord> = {}): HistoryRecord => ({
  challengeId: i.toString(16).padStart(64, '0'),
  finishedAtMs: NOW.getTime() - i,
  role: 'payer',
  prover: PEER,
  payer: PEER,
  direction: 'down',
  profile: 'standard',
  claimKbps: 250_000,
  estimateKbps: 240_000,
  guaranteedKbps: 220_000,
  bytes: 40,
  flags: [],
  ...more,
})

describe("a month's data", () => {
  let dataDir: string
  let budget: DataBudget
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'plumbline-budget-'))
    budget = new DataBudget(dataDir, silentLogger, () => NOW.getTime())
  })
  afterEach(() => rm(dataDir, { recursive: true, force: true }))
  const used = () => usedThisMonth(dataDir, NOW)

  it('is what was moved, once it is known', async () => {
    const told = await budget.spend({ mostBytes: 1000 }, async (onTraffic) => {
      onTraffic(100)
      expect(await used()).toBe(1000)
      onTraffic(50)
      return 'result'
    })
    expect([told, await used()]).toEqual(['result', 150])
  })

  it('counts what a measurement moved that failed', async () => {
    const failing = budget.spend({ mostBytes: 1000, capBytes: 1000 }, async (onTraffic) => {
      onTraffic(700)
      throw new Error('the prover has gone')
    })
    await expect(failing).rejects.toThrow('the prover has gone')
    expect(await used()).toBe(700)
  })

  it('takes one that was killed for the most it could have moved', async () => {
    const month = { month: '2026-11', holds: () => true }
    await reserveBytes(join(dataDir, 'history'), month, { bytes: 1000 })
    expect(await used()).toBe(1000)
  })

  it('refuses beforehand what may not fit, a second one at the same time as well', async () => {
    await budget.spend({ mostBytes: 600, capBytes: 1000 }, async (onTraffic) => {
      onTraffic(300)
      const second = budget.spend({ mostBytes: 600, capBytes: 1000 }, async () => 'ran')
      await expect(second).rejects.toMatchObject({
        code: 'DENIED',
        message: expect.stringContaining('0.0 MB'),
      })
    })
    expect(await used()).toBe(300)
    expect(await budget.spend({ mostBytes: 700, capBytes: 1000 }, async () => 'ran')).toBe('ran')
    await expect(budget.spend({ mostBytes: 701, capBytes: 1000 }, async () => 'ran')).rejects.toMatchObject({
      code: 'DENIED',
    })
  })

  it('holds what older records say, and counts no newer one twice', async () => {
    const path = join(dataDir, 'history')
    await appendHistory(path, oldRecord(1))
    await appendHistory(path, oldRecord(2, { role: 'challenger' }))
    await appendHistory(path, oldRecord(3, { finishedAtMs: NOW.getTime() - 60 * 86_400_000 }))
    await budget.spend({ mostBytes: 1000 }, async (onTraffic) => onTraffic(90))
    await appendHistory(path, oldRecord(4, { trafficBytes: 90 }))
    expect(await used()).toBe(130)
    expect(await usedThisMonth(dataDir, new Date(2026, 11, 16))).toBe(0)
  })
})
