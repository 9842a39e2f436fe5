/** History, its chart and its schedule: what is kept, what is shown, and where a data cap stops. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { historyCsv, historyObject, historyText, selectHistory } from '../../../src/cli/history.js'
import { valueChart } from '../../../src/cli/history-chart.js'
import type { HistoryValueName } from '../../../src/cli/history-values.js'
import { runSchedule, type ScheduledRun, waitFor } from '../../../src/cli/measure-schedule.js'
import { parseBytes, parseDuration, parseMoment } from '../../../src/cli/quantity.js'
import { monthKey } from '../../../src/config/data-cap.js'
import { UserError } from '../../../src/errors.js'
import { usedThisMonth } from '../../../src/node/data-budget.js'
import { recordOfTranscript } from '../../../src/node/history.js'
import { decodeTranscript, encodeTranscript } from '../../../src/pob/transcript.js'
import { openDatabase } from '../../../src/store/database.js'
import { appendHistory, type HistoryRecord, readHistory } from '../../../src/store/history.js'
import { buildChallenge, sealed } from '../../support/challenge-builder.js'

const PROVER = '16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp'
const START = Date.parse('2026-11-01T00:00:00Z')
const HOUR = 3_600_000

const record = (i: number, more: Partial<HistoryRecord> = {}): HistoryRecord => ({
  challengeId: i.toString(16).padStart(64, '0'),
  finishedAtMs: START + i * HOUR,
  role: 'payer',
  prover: PROVER,
  payer: PROVER,
  direction: 'down',
  profile: 'standard',
  claimKbps: 250_000,
  estimateKbps: 240_000 + i,
  guaranteedKbps: 220_000,
  bytes: 40_000_000,
  flags: [],
  ...more,
})

/** With all that a payer is told. */
const FULL = record(1, {
  trafficBytes: 90_000_000,
  tauMicros: 200_000,
  idleMicros: 9_000,
  loadedMicros: 40_000,
  increaseMicros: 31_000,
  isStillRising: true,
  grade: 'B',
  rpm: 1500,
  idleLossPpm: 0,
  loadedLossPpm: 12_500,
  lossPpm: 171_000,
  variationMicros: 80,
  variationP95Micros: 940,
  reorderedPpm: 120,
  reorderExtent: 3,
  availableKbps: 140_000,
  isAvailableLimited: false,
  joint: {
    provers: 2,
    verdict: 'shared',
    estimateKbps: 100_000,
    guaranteedKbps: 92_000,
    creditKbps: 92_000,
  },
  flags: ['overclaimed'],
})

describe('the history on disk', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-history-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('keeps what it was told, oldest first, and a challenge once in each role', async () => {
    const path = join(directory, 'history')
    for (const each of [record(2), record(1), record(1, { estimateKbps: 7 }), record(1, { role: 'prover' })])
      await appendHistory(path, each)
    const kept = await readHistory(path)
    expect(kept.map(({ challengeId, role }) => `${Number(`0x${challengeId}`)} ${role}`).sort()).toEqual([
      '1 payer',
      '1 prover',
      '2 payer',
    ])
    expect(kept.at(-1)).toEqual(record(2))
    expect(
      kept.find(({ role, finishedAtMs }) => role === 'payer' && finishedAtMs < START + 2 * HOUR),
    ).toEqual(record(1, { estimateKbps: 7 }))
  })

  it('keeps all of a telemetry, and reads what knows less', async () => {
    const path = join(directory, 'history')
    await appendHistory(path, record(0))
    await appendHistory(path, FULL)
    expect(await readHistory(path)).toEqual([record(0), FULL])
  })

  it('waits for whoever has it open', async () => {
    const path = join(directory, 'history')
    const other = await openDatabase(path)
    const appended = appendHistory(path, record(1))
    await other.close()
    await appended
    expect(await readHistory(path)).toHaveLength(1)
  })

  it('counts a month of what this node asked for, and nothing else', async () => {
    const path = join(directory, 'history')
    const now = new Date(START + 15 * 24 * HOUR)
    await appendHistory(path, record(48))
    await appendHistory(path, record(49, { role: 'challenger' }))
    await appendHistory(path, record(50, { finishedAtMs: START - 60 * 24 * HOUR }))
    expect(monthKey(new Date(START + 48 * HOUR))).toBe(monthKey(now))
    expect(await usedThisMonth(directory, now)).toBe(40_000_000)
  })

  it('takes the numbers of a transcript as they were signed', () => {
    const built = buildChallenge({ label: 'history' })
    const { request } = built.evidence
    const made = recordOfTranscript(sealed(built), request.prover, START)
    expect(made).toMatchObject({ role: 'prover', profile: 'standard', direction: 'down', claimKbps: 3000 })
    expect(made.guaranteedKbps).toBeGreaterThan(0)
    expect(made.bytes).toBeGreaterThan(0)
    expect(recordOfTranscript(sealed(built), request.payer, START).role).toBe('challenger')
    const { plan } = built.evidence
    expect(made).toMatchObject({ tauMicros: plan.tauMicros, reorderedPpm: 0, reorderExtent: 0 })
    expect(made.lossPpm).toBeLessThan(400_000)
    // Nobody told of round trips under load; the flags are those that follow from what was signed.
    expect(made.loadedMicros).toBeUndefined()
    const claimed = { ...decodeTranscript(sealed(built)), estimateKbps: 100 }
    expect(recordOfTranscript(encodeTranscript(claimed), request.prover, START).flags).toContain(
      'overclaimed',
    )
  })

  it('adds what a prover saw itself, and the flags of a member', () => {
    const built = buildChallenge({ label: 'history' })
    const { request, plan } = built.evidence
    const path = { ready: 1, rttMicros: 9000, jitterMicros: 10, idleMicros: [9000, 0, 9000, 9000] }
    const slot = {
      ...{ packets: 1, duplicates: 0, badTag: 0, overflow: 0, arrivalSpanMicros: 1, jitterMicros: 1 },
      ...{ reordered: 0, busyPermille: 1, kernelTimestamps: 1 },
      variationMedianMicros: 80,
      variationP95Micros: 900,
      loadedMicros: Array.from({ length: plan.teamSize }, () => [49_000, 49_000, 49_000]),
    }
    const seen = {
      paths: plan.committee.map(() => path),
      statistics: [0, 1, 2].map((each) => ({ ...slot, slot: each })),
      flags: ['teams_disagree'] as const,
    }
    expect(recordOfTranscript(sealed(built), request.prover, START, seen)).toMatchObject({
      idleMicros: 9000,
      idleLossPpm: 250_000,
      loadedMicros: 49_000,
      loadedLossPpm: 0,
      increaseMicros: 40_000,
      grade: 'B',
      rpm: 1224,
      isStillRising: false,
      variationMicros: 80,
      variationP95Micros: 900,
      flags: ['teams_disagree'],
    })
  })
})

describe('filters', () => {
  const all = [record(0), record(5, { profile: 'quick' }), record(9, { role: 'prover' })]
  it.each([
    [{}, [0, 5, 9]],
    [{ profile: 'quick' }, [5]],
    [{ role: 'payer' }, [0, 5]],
    [{ prover: PROVER.slice(0, 12) }, [0, 5, 9]],
    [{ prover: '16Uiu2other' }, []],
    [{ sinceMs: START + HOUR, untilMs: START + 6 * HOUR }, [5]],
    [{ limit: 2 }, [5, 9]],
  ] as const)('%j', (filter, expected) => {
    const ids = selectHistory(all, filter).map(({ challengeId }) => Number(`0x${challengeId}`))
    expect(ids).toEqual(expected)
  })
})

describe('what is shown', () => {
  const many = Array.from({ length: 500 }, (_, i) => record(i, { loadedMicros: 40_000, idleMicros: 9000 }))

  it('is never wider than 80 columns, nor than a narrower terminal', () => {
    for (const columns of [80, 200, 60]) {
      const lines = historyText(many, columns).split('\n')
      expect(lines.filter((line) => line.length > 80)).toEqual([])
      expect(valueChart([{ at: 1, values: [2, 1] }], columns).every((l) => l.length <= columns)).toBe(true)
    }
  })

  it.each<[HistoryValueName, ...number[]]>([
    ['rate', 240, 220],
    ['guaranteed', 220],
    ['estimate', 240],
    ['latency', 40, 9],
    ['rpm', 1500],
    ['available', 140],
    ['loss', 1.25, 0],
    ['variation', 0.94, 0.08],
    ['reordering', 0.012],
  ])('shows %s where it is known', (name, ...values) => {
    const text = historyText([record(0), FULL], 80, name)
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([])
    const row = text.split('\n').find((line) => line.includes('shared')) ?? ''
    const found = row.trim().split(/\s+/).slice(-values.length).map(Number)
    for (const [i, value] of values.entries()) expect(found[i]).toBeCloseTo(value, 2)
    expect(text).toContain('B or worse')
  })

  it('says where nobody told of a value', () => {
    expect(historyText([record(0)], 80, 'rpm')).toContain('nobody told of it')
  })

  it('carries all of a record in its object', () => {
    expect(historyObject(FULL)).toEqual({
      finishedAt: '2026-11-01T01:00:00.000Z',
      challengeId: `0x${'1'.padStart(64, '0')}`,
      role: 'payer',
      prover: PROVER,
      payer: PROVER,
      direction: 'down',
      profile: 'standard',
      claimMbps: 250,
      estimateMbps: 240.001,
      guaranteedMbps: 220,
      bytes: 40_000_000,
      trafficBytes: 90_000_000,
      tauMs: 200,
      idleMs: 9,
      loadedMs: 40,
      increaseMs: 31,
      isStillRising: true,
      grade: 'B',
      rpm: 1500,
      idleLossPct: 0,
      loadedLossPct: 1.25,
      lossPct: 17.1,
      delayVariationMs: 0.08,
      delayVariationP95Ms: 0.94,
      reorderedPct: 0.012,
      reorderExtent: 3,
      availableMbps: 140,
      isAvailableLimited: false,
      jointProvers: 2,
      jointVerdict: 'shared',
      jointEstimateMbps: 100,
      jointGuaranteedMbps: 92,
      jointCreditMbps: 92,
      flags: ['overclaimed'],
    })
  })

  it('draws every value in the row of its size', () => {
    const chart = valueChart([
      { at: 0, values: [100, 0] },
      { at: 10, values: [50, 100] },
    ])
    const rowOf = (mark: string, column: number) => chart.findIndex((line) => line[column] === mark)
    expect(rowOf('*', 10)).toBe(0)
    expect(rowOf('.', 10)).toBe(9)
    expect(rowOf('.', 79)).toBe(0)
    expect(rowOf('*', 79)).toBe(5)
    expect(valueChart([])).toEqual([])
  })

  it('is CSV with a head and as many fields in each line', () => {
    const lines = historyCsv([record(1), record(2, { flags: ['overclaimed', 'rtt_high'] })]).split('\n')
    expect(new Set(lines.map((line) => line.split(',').length)).size).toBe(1)
    expect(lines[0]).toContain('finishedAt,challengeId,role,prover')
    expect(lines[0]?.split(',').sort()).toEqual(Object.keys(historyObject(FULL)).sort())
    expect(lines[2]).toContain('"overclaimed rtt_high"')
    expect(historyObject(record(1))).toMatchObject({ estimateMbps: 240.001, loadedMs: null })
  })
})

describe('a schedule', () => {
  const MB = 1e6
  const modules = (used: { bytes: number }, fails: readonly number[] = []) => {
    const clock = { ms: START }
    const starts: number[] = []
    const told: ScheduledRun[] = []
    return {
      starts,
      told,
      modules: {
        mostBytes: 100 * MB,
        usedBytes: async () => used.bytes,
        measure: async () => {
          starts.push(clock.ms - START)
          clock.ms += 5000
          if (fails.includes(starts.length)) throw new UserError('quiet hours', { code: 'DENIED' })
          used.bytes += 40 * MB
          return { estimateMbps: 240, guaranteedMbps: 220, bytes: 40 * MB }
        },
        onRun: (run: ScheduledRun) => void told.push(run),
        now: () => clock.ms,
        wait: async (ms: number) => {
          clock.ms += Math.max(0, ms)
        },
        signal: new AbortController().signal,
      },
    }
  }

  it('starts at even distances, and stops before the cap could be exceeded', async () => {
    const { modules: parts, starts } = modules({ bytes: 0 })
    const ended = await runSchedule({ everyMs: HOUR, capBytes: 250 * MB }, parts)
    expect(starts).toEqual([0, HOUR, 2 * HOUR, 3 * HOUR])
    expect(ended).toMatchObject({ measured: 4, failed: 0, bytesThisMonth: 160 * MB, stoppedBy: 'data-cap' })
    expect(ended.message).toBe(
      'data cap reached: 160.0 MB of 250.0 MB used this month, and the next measurement may need 100.0 MB; stopped',
    )
  })

  it('goes on after a failure, and ends after as many runs as asked for', async () => {
    const { modules: parts, told } = modules({ bytes: 0 }, [2])
    const ended = await runSchedule({ everyMs: HOUR, runs: 3 }, parts)
    expect(ended).toMatchObject({ measured: 2, failed: 1, stoppedBy: 'runs' })
    expect(told.map(({ error }) => error)).toEqual([undefined, 'quiet hours', undefined])
  })

  it('refuses where the cap does not allow the first', async () => {
    const { modules: parts } = modules({ bytes: 200 * MB })
    await expect(runSchedule({ everyMs: HOUR, capBytes: 250 * MB }, parts)).rejects.toMatchObject({
      code: 'DENIED',
    })
  })

  it('ends with the signal, also in the middle of a pause', async () => {
    const stop = new AbortController()
    const { modules: parts } = modules({ bytes: 0 })
    const onRun = () => setTimeout(() => stop.abort(), 10)
    const ended = await runSchedule(
      { everyMs: 1000 * HOUR },
      { ...parts, onRun, wait: waitFor, signal: stop.signal },
    )
    expect(ended).toMatchObject({ measured: 1, stoppedBy: 'signal' })
  })
})

describe('times and amounts of data', () => {
  it.each([
    ['30min', 1_800_000],
    ['6h', 6 * HOUR],
    ['1.5d', 36 * HOUR],
  ])('%s', (text, ms) => expect(parseDuration(text, '--every')).toBe(ms))
  it.each([
    ['5GiB', 5 * 2 ** 30],
    ['500MB', 5e8],
    ['2', 2 ** 31],
  ])('%s of data', (text, bytes) => expect(parseBytes(text, '--data-cap')).toBe(bytes))
  it.each(['', 'h', '6', '0h', '-1h', '6 weeks'])('"%s" is no time', (text) =>
    expect(() => parseDuration(text, '--every')).toThrow(/--every expects/),
  )
  it('takes a date, or a time ago', () => {
    expect(parseMoment('2026-11-01T00:00:00Z', '--since', 0)).toBe(START)
    expect(parseMoment('7d', '--since', START)).toBe(START - 7 * 24 * HOUR)
    expect(() => parseMoment('soon', '--since', 0)).toThrow(/--since expects/)
  })
})
