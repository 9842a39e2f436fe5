import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { openDatabase } from '../../../src/store/database.js'
import { openStore, type Store, type StoreOptions } from '../../../src/store/index.js'
import { KeyedLock } from '../../../src/store/keyed-lock.js'
import { MAX_LIFETIME_MS } from '../../../src/store/single-use.js'

const digest = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const HOUR = 3_600_000

let directory = ''
let store: Store | undefined
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-store-'))
})
afterEach(async () => {
  await store?.close()
  store = undefined
  await rm(directory, { recursive: true, force: true })
})
const reopen = async (options: StoreOptions = {}): Promise<Store> => {
  await store?.close()
  store = await openStore(join(directory, 'store'), options)
  return store
}
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error
      expect(error.line).not.toContain('\n')
      return error.code
    },
  )

describe('opening the store', () => {
  it('says kindly that another process has it', async () => {
    await reopen()
    const second = openStore(join(directory, 'store'))
    await expect(second).rejects.toThrow(`another process uses ${join(directory, 'store')}`)
    expect(await code(openStore(join(directory, 'store')))).toBe('LOCKED')
  })

  it('refuses a schema of a newer version, and runs each migration once, in order', async () => {
    const path = join(directory, 'store')
    const run: number[] = []
    const migrations = [2, 3].map((to) => ({ to, run: async () => void run.push(to) }))
    await (await openDatabase(path)).close()
    await (await openDatabase(path, { schemaVersion: 2, migrations })).close()
    expect(run).toEqual([2])
    await (await openDatabase(path, { schemaVersion: 3, migrations })).close()
    await (await openDatabase(path, { schemaVersion: 3, migrations })).close()
    expect(run).toEqual([2, 3])
    expect(await code(openDatabase(path))).toBe('UNAVAILABLE')
    await expect(openDatabase(path)).rejects.toThrow('newer plumbline (schema 3, this one knows 1)')
  })

  it('repeats a migration that was cut short, and starts a new store at the newest version', async () => {
    const path = join(directory, 'store')
    let fail = true
    const migrations = [
      {
        to: 2,
        run: async () => {
          if (fail) throw new Error('cut short')
        },
      },
    ]
    await (await openDatabase(path)).close()
    await expect(openDatabase(path, { schemaVersion: 2, migrations })).rejects.toThrow('cut short')
    fail = false
    await (await openDatabase(path, { schemaVersion: 2, migrations })).close()
    fail = true
    await (await openDatabase(join(directory, 'new'), { schemaVersion: 2, migrations })).close()
  })

  it('gives one line where the directory is a file', async () => {
    await writeFile(join(directory, 'file'), 'x')
    expect(await code(openStore(join(directory, 'file')))).toBe('UNAVAILABLE')
  })

  it('belongs to one key', async () => {
    const [mine, other] = [Identity.generate().address, Identity.generate().address]
    await (await reopen()).bindIdentity(mine)
    await (await reopen()).bindIdentity(mine)
    expect(await code((await reopen()).bindIdentity(other))).toBe('BAD_KEY')
  })
})

describe('sign-once locks', () => {
  it('grant one digest per key, repeat it, and refuse any other, also after a restart', async () => {
    const first = await reopen()
    expect(await first.signOnce('c1', digest(1))).toBe('granted')
    expect(await first.signOnce('c1', digest(1))).toBe('repeat')
    expect(await first.signOnce('c1', digest(2))).toBe('conflict')
    expect(await first.signOnce('c2', digest(2))).toBe('granted')
    const second = await reopen()
    expect(await second.signOnce('c1', digest(1))).toBe('repeat')
    expect(await second.signOnce('c1', digest(2))).toBe('conflict')
    expect(await second.lockedDigest('c1')).toEqual(digest(1))
    expect(await second.lockedDigest('none')).toBeUndefined()
  })

  it('grant exactly one of many concurrent digests', async () => {
    const open = await reopen()
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => open.signOnce('race', digest(i % 10))),
    )
    expect(outcomes.filter((outcome) => outcome === 'granted')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'repeat')).toHaveLength(4)
    expect(outcomes.filter((outcome) => outcome === 'conflict')).toHaveLength(45)
  })

  it('are forgotten after two years only', async () => {
    let now = 1_000_000_000_000
    const options = { now: () => now }
    await (await reopen(options)).signOnce('old', digest(1))
    now += 700 * 24 * HOUR
    expect(await (await reopen(options)).signOnce('old', digest(2))).toBe('conflict')
    now += 40 * 24 * HOUR
    // Counted from the newest lock: a wrong clock alone forgets nothing.
    expect(await (await reopen(options)).signOnce('newer', digest(1))).toBe('granted')
    expect(await (await reopen(options)).signOnce('old', digest(2))).toBe('granted')
  })

  it('refuse digests and keys of a wrong length', async () => {
    const open = await reopen()
    expect(() => open.signOnce('k', new Uint8Array(31))).toThrow(RangeError)
    expect(() => open.signOnce('', digest(1))).toThrow(RangeError)
    expect(() => open.signOnce('k'.repeat(257), digest(1))).toThrow(RangeError)
  })
})

describe('single-use ids', () => {
  it('are used once, also after a restart and under a race', async () => {
    const first = await reopen()
    const later = Date.now() + HOUR
    const uses = await Promise.all(Array.from({ length: 20 }, () => first.useOnce('nonce', later)))
    expect(uses.filter(Boolean)).toHaveLength(1)
    expect(await (await reopen()).useOnce('nonce', later)).toBe(false)
    expect(await store?.useOnce('another', later)).toBe(true)
  })

  it('are swept out after their expiry, and are not usable then either', async () => {
    let now = 1_000_000_000_000
    const options = { now: () => now }
    const open = await reopen(options)
    for (let i = 0; i < 10; i++) expect(await open.useOnce(`id${i}`, now + HOUR)).toBe(true)
    expect(await open.useOnce('longer', now + 3 * HOUR)).toBe(true)
    now += 2 * HOUR
    expect(await open.useOnce('id0', now - HOUR)).toBe(false)
    const database = await reopen(options)
    expect(await database.useOnce('id1', now - 1)).toBe(false)
    expect(await database.useOnce('longer', now + HOUR)).toBe(false)
    // A new message may carry the same id once the old one is long dead.
    expect(await database.useOnce('id1', now + HOUR)).toBe(true)
  })

  it('refuse absurd expiries', async () => {
    const open = await reopen()
    await expect(open.useOnce('x', Date.now() + MAX_LIFETIME_MS + HOUR)).rejects.toThrow(RangeError)
    await expect(open.useOnce('x', Number.NaN)).rejects.toThrow(RangeError)
  })
})

describe('kill -9', () => {
  it('loses no lock that was granted, and leaves a store that opens', async () => {
    const path = join(directory, 'store')
    const child = fileURLToPath(new URL('kill-child.ts', import.meta.url))
    for (const [round, key] of ['a', 'b', 'c'].entries()) {
      const process_ = spawn(process.execPath, ['--import', 'tsx', child, path, key, String(round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [line] = (await once(process_.stdout, 'data')) as [Buffer]
      process_.kill('SIGKILL')
      await once(process_, 'exit')
      expect(line.toString()).toBe('granted true\n')
      store = await openStore(path)
      expect(await store.signOnce(key, digest(round))).toBe('repeat')
      expect(await store.signOnce(key, digest(99))).toBe('conflict')
      expect(await store.useOnce(`id-${key}`, Date.now() + HOUR)).toBe(false)
      expect(await store.usage.get('2026-01')).toBe(100 * (round + 1))
      expect(await store.transcripts.get(`transcript-${key}`)).toEqual(new Uint8Array(1000).fill(round))
      expect(store.transcripts.count).toBe(round + 1)
      await store.close()
      store = undefined
    }
  })
})

describe('archives', () => {
  it('evict the oldest by count and by bytes, and remember that after a restart', async () => {
    const options = { transcripts: { maxCount: 3, maxBytes: 100 } }
    const { transcripts } = await reopen(options)
    for (const id of ['a', 'b', 'c', 'd']) await transcripts.put(id, new Uint8Array(20))
    expect(transcripts.list().map(({ id }) => id)).toEqual(['d', 'c', 'b'])
    expect(await transcripts.get('a')).toBeUndefined()
    await transcripts.put('e', new Uint8Array(70))
    expect(transcripts.list()).toEqual([
      { id: 'e', bytes: 70 },
      { id: 'd', bytes: 20 },
    ])
    expect(transcripts.bytes).toBe(90)
    const again = (await reopen(options)).transcripts
    expect(again.list().map(({ id }) => id)).toEqual(['e', 'd'])
    expect(again.bytes).toBe(90)
    expect(again.list(1)).toHaveLength(1)
    expect(await again.delete('e')).toBe(true)
    expect(await again.delete('e')).toBe(false)
    expect(again.bytes).toBe(20)
  })

  it('replace a record of the same id, which becomes the newest', async () => {
    const { evidence } = await reopen({ evidence: { maxCount: 2, maxBytes: 100 } })
    await evidence.put('a', new Uint8Array(60))
    await evidence.put('b', new Uint8Array(30))
    await evidence.put('a', new Uint8Array(50).fill(1))
    expect(evidence.list().map(({ id }) => id)).toEqual(['a', 'b'])
    expect(evidence.bytes).toBe(80)
    expect(await evidence.get('a')).toEqual(new Uint8Array(50).fill(1))
    await evidence.put('c', new Uint8Array(1))
    expect(evidence.list().map(({ id }) => id)).toEqual(['c', 'a'])
  })

  it('hold their bounds under concurrent writes', async () => {
    const { transcripts } = await reopen({ transcripts: { maxCount: 5, maxBytes: 1000 } })
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => transcripts.put(`t${i % 17}`, new Uint8Array(100 + i))),
    )
    expect(transcripts.count).toBeLessThanOrEqual(5)
    expect(transcripts.bytes).toBe(transcripts.list().reduce((sum, { bytes }) => sum + bytes, 0))
    for (const { id, bytes } of transcripts.list()) expect(await transcripts.get(id)).toHaveLength(bytes)
  })

  it('refuse what can never fit', async () => {
    const { transcripts } = await reopen({ transcripts: { maxCount: 5, maxBytes: 10 } })
    expect(() => transcripts.put('big', new Uint8Array(11))).toThrow(RangeError)
    expect(() => transcripts.put('', new Uint8Array(1))).toThrow(RangeError)
  })

  it('keep typed records', async () => {
    const open = await reopen()
    const peer = {
      peerId: 'p',
      addresses: ['/ip4/1.2.3.4/tcp/1'],
      roles: ['prover'],
      lastSeenMs: 5,
      score: -3,
    }
    await open.peers.put('p', peer)
    expect(await (await reopen()).peers.get('p')).toEqual(peer)
    expect(await store?.peers.list()).toEqual([peer])
    expect(await store?.peers.get('none')).toBeUndefined()
    expect(await code(open.peers.put('q', { ...peer, score: 1.5 }))).toBe('BAD_MESSAGE')
    const record = {
      id: 'c',
      role: 'prover',
      phase: 'slot',
      createdAtMs: 1,
      updatedAtMs: 2,
      body: digest(1),
    } as const
    await store?.challenges.put('c', record)
    expect(await store?.challenges.get('c')).toEqual(record)
  })
})

describe('usage', () => {
  it('adds up per month, concurrently too, and keeps three years', async () => {
    const { usage } = await reopen()
    await Promise.all(Array.from({ length: 20 }, () => usage.add('2026-03', 5)))
    expect(await usage.get('2026-03')).toBe(100)
    expect(await usage.get('2026-04')).toBe(0)
    for (let i = 0; i < 40; i++)
      await usage.add(`${2027 + Math.floor(i / 12)}-${String((i % 12) + 1).padStart(2, '0')}`, 1)
    const months = await usage.list()
    expect(months).toHaveLength(36)
    expect(months.at(-1)?.month).toBe('2030-04')
    expect(() => usage.add('2026-03', -1)).toThrow(RangeError)
    expect(() => usage.add('March', 1)).toThrow(RangeError)
  })
})

describe('the write buffer', () => {
  it('is on the disk as a table when it is full, and until then in the log alone', async () => {
    const path = join(directory, 'store')
    const tables = async () => (await readdir(path)).filter((name) => name.endsWith('.ldb')).length
    const fill = async (options: StoreOptions) => {
      const { paymentsMade } = await reopen(options)
      for (let index = 1; index <= 10; index++) {
        const entries = [{ index, value: randomBytes(20_000) }]
        await paymentsMade.write({ id: 'ab', account: () => new Uint8Array(1), entries })
      }
    }
    // Opening writes a table of what the log has: the first time it is empty.
    await fill({})
    expect(await tables()).toBe(0)
    await reopen()
    const before = await tables()
    await fill({ writeBufferBytes: 65_536 })
    await expect.poll(tables).toBeGreaterThan(before)
  })
})

describe('the keyed lock', () => {
  it('runs one key in order, other keys side by side, survives failures and forgets idle keys', async () => {
    const lock = new KeyedLock()
    const log: string[] = []
    const step = (name: string, ms: number) => async () => {
      log.push(`${name}+`)
      await new Promise((resolve) => setTimeout(resolve, ms))
      log.push(`${name}-`)
    }
    const failing = lock.run('a', () => Promise.reject(new Error('no')))
    const work = [lock.run('a', step('a1', 20)), lock.run('a', step('a2', 1)), lock.run('b', step('b', 1))]
    await expect(failing).rejects.toThrow('no')
    await Promise.all(work)
    expect(log.filter((entry) => entry.startsWith('a'))).toEqual(['a1+', 'a1-', 'a2+', 'a2-'])
    expect(log.indexOf('b-')).toBeLessThan(log.indexOf('a1-'))
    expect(lock.size).toBe(0)
  })
})
