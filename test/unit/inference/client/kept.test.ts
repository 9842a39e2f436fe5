/** What a client keeps of its purchases on the disk: whom it left, and what a day cost. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DailyBudget, readSpending } from '../../../../src/inference/client/daily-budget.js'
import { LeftProviders } from '../../../../src/inference/client/left-providers.js'
import { Openings } from '../../../../src/inference/client/openings.js'

const HOUR = 3_600_000
let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-kept-'))
  path = join(directory, 'purchases', 'kept.json')
})
afterEach(() => rm(directory, { recursive: true }))

describe('providers that cheated', () => {
  it('are known after a restart, and to processes beside each other', async () => {
    const [one, other] = [await LeftProviders.open(path), await LeftProviders.open(path)]
    await one.add('a', 'it answered with the receipt of another job', 1000)
    await other.add('b', 'it asks for money', 2000)
    const later = await LeftProviders.open(path)
    expect(['a', 'b', 'c'].map((peerId) => later.has(peerId))).toEqual([true, true, false])
  })

  it('are the newest thousand, and a damaged file names nobody', async () => {
    const entry = (i: number) => ({ peerId: `p${i}`, at: i, reason: 'it cheated' })
    const providers = Array.from({ length: 1000 }, (_, i) => entry(i))
    const left = await LeftProviders.open(path)
    await left.add('first', 'it cheated', 0)
    await writeFile(path, JSON.stringify({ format: 'plumbline-left-providers', version: 1, providers }))
    const full = await LeftProviders.open(path)
    await full.add('newest', 'it cheated', 5000)
    const later = await LeftProviders.open(path)
    expect(['p0', 'p1', 'newest'].map((peerId) => later.has(peerId))).toEqual([false, true, true])
    await writeFile(path, '{"format":')
    expect((await LeftProviders.open(path)).has('newest')).toBe(false)
  })
})

describe('the budget of a day', () => {
  let now = 500_000 * HOUR
  const open = () => DailyBudget.open(path, 1000n, () => now)

  it('is counted over restarts, refused with have and need, and free again after a day', async () => {
    const budget = await open()
    await budget.take(600n)
    await budget.close()
    now += 5 * HOUR
    const next = await open()
    expect(next.leftWei).toBe(400n)
    await expect(next.take(401n)).rejects.toMatchObject({
      code: 'DENIED',
      details: { haveWei: '400', needWei: '401' },
    })
    await next.take(400n)
    expect(() => next.require(1n)).toThrow(/dailyBudget|budget of a day/)
    now += 19 * HOUR
    expect(next.leftWei).toBe(600n)
    now += 5 * HOUR
    expect(next.leftWei).toBe(1000n)
  })

  it('has on the disk what was spent, and a little more, when the job leaves', async () => {
    const budget = await open()
    for (let i = 0; i < 50; i++) await budget.take(3n)
    // No end of the process: it was killed.
    const after = await open()
    expect(after.spentWei).toBeGreaterThanOrEqual(150n)
    expect(after.spentWei).toBeLessThanOrEqual(160n)
    expect(await readSpending(path, now)).toEqual({ spentWei: after.spentWei, budgetWei: 1000n })
  })

  it('takes jobs at once, each counted, and gives back what cost nothing', async () => {
    const budget = await open()
    const taken = await Promise.allSettled(Array.from({ length: 30 }, () => budget.take(50n)))
    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
    const [first] = taken
    if (first?.status === 'fulfilled') first.value()
    expect(budget.leftWei).toBe(50n)
    await budget.close()
    expect(JSON.parse(await readFile(path, 'utf8')).hours).toEqual([{ hour: 500_029, spentWei: '950' }])
    expect(await readSpending(join(directory, 'none.json'), now)).toBeUndefined()
  })
})

describe('a disk that takes nothing', () => {
  it('takes nothing of the budget, and opens no channel', async () => {
    const budget = await DailyBudget.open(path, 1000n)
    const openings = await Openings.open(path)
    // A file is where the directory should be.
    await writeFile(join(directory, 'purchases'), '')
    await expect(budget.take(600n)).rejects.toThrow()
    expect(budget.leftWei).toBe(1000n)
    await expect(openings.add('0x0000000000000000000000000000000000000001')).rejects.toThrow()
    expect(openings.payees()).toEqual([])
  })
})

describe('a clock that was wrong once', () => {
  it('is no reason to buy nothing for years', async () => {
    let now = 600_000 * HOUR
    const payee = (i: number) => `0x${String(i).padStart(40, '0')}` as const
    const openings = await Openings.open(join(directory, 'openings.json'), () => now)
    for (let i = 0; i < 10; i++) await openings.add(payee(i))
    const budget = await DailyBudget.open(path, 1000n, () => now)
    await budget.take(1000n)
    // By an hour it may be the other way round.
    now -= HOUR
    expect(budget.leftWei).toBe(0n)
    expect(() => openings.require()).toThrow(/10 channels/)
    now = 500_000 * HOUR
    expect(budget.leftWei).toBe(1000n)
    expect((await DailyBudget.open(path, 1000n, () => now)).leftWei).toBe(1000n)
    expect((await readSpending(path, now))?.spentWei).toBe(0n)
    openings.require()
    expect(openings.openedAt(payee(3))).toBeUndefined()
  })
})

describe('channels that were opened', () => {
  it('are ten in 24 hours, over restarts; who did not come about, and the same one again, does not count', async () => {
    let now = 500_000 * HOUR
    const payee = (i: number) => `0x${String(i).padStart(40, '0')}` as const
    const openings = await Openings.open(path, () => now)
    for (let i = 0; i < 10; i++) await openings.add(payee(i))
    await openings.add(payee(3))
    await openings.remove(payee(9))
    await openings.add(payee(10))
    now += HOUR
    const next = await Openings.open(path, () => now)
    expect(() => next.require()).toThrow(/10 channels were opened in the last 24 hours/)
    await expect(next.add(payee(11))).rejects.toMatchObject({ code: 'DENIED' })
    expect([3, 9].map((i) => next.openedAt(payee(i)))).toEqual([500_000 * 3600, undefined])
    now += 23 * HOUR
    await next.add(payee(11))
    expect(next.openedAt(payee(3))).toBeUndefined()
  })
})
