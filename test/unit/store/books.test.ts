/** Accounts with numbered entries: grouped writes, order, bounds, restart. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../../../src/store/index.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

describe('books', () => {
  let directory: string
  let store: Store

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-books-'))
    store = await openStore(directory)
  })
  afterEach(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  const reopen = async () => {
    await store.close()
    store = await openStore(directory)
  }

  it('have nothing of a change before what it comes after was tried, nor of later ones', async () => {
    const books = store.paymentsEarned
    const { promise: after, reject } = Promise.withResolvers<void>()
    after.catch(() => {})
    const one = (index: number) => ({
      id: 'a',
      account: () => bytes(`${index}`),
      entries: [{ index, value: bytes('x') }],
    })
    const writing = Promise.all([books.write({ ...one(1), after }), books.write(one(2))])
    // Longer than a write of its own would take.
    await store.paymentsMade.write(one(1))
    expect(await books.entries('a', 1, 10)).toEqual([])
    reject(new Error('it failed'))
    await writing
    expect((await books.entries('a', 1, 10)).map(({ index }) => index)).toEqual([1, 2])
  })

  it('keep accounts and entries over a restart, in order', async () => {
    const books = store.paymentsEarned
    await books.write({
      id: 'a',
      account: () => bytes('one'),
      entries: [10, 9, 100].map((index) => ({ index, value: bytes(`entry ${index}`) })),
    })
    await books.write({ id: 'ab', account: () => bytes('two'), entries: [{ index: 1, value: bytes('x') }] })
    await reopen()
    const after = store.paymentsEarned
    expect((await after.accounts()).map(({ id, account }) => [id, text(account)])).toEqual([
      ['a', 'one'],
      ['ab', 'two'],
    ])
    const entries = await after.entries('a', 10, 5)
    expect(entries.map(({ index, value }) => [index, text(value)])).toEqual([
      [10, 'entry 10'],
      [100, 'entry 100'],
    ])
    expect((await after.entries('a', 0, 2)).map(({ index }) => index)).toEqual([9, 10])
    expect(await store.paymentsMade.accounts()).toEqual([])
  })

  it('write what comes during a sync together, with the newest account', async () => {
    const books = store.paymentsMade
    let state = 0
    let encoded = 0
    const writes = Array.from({ length: 50 }, (_, i) => {
      state = i + 1
      return books.write({
        id: 'busy',
        account: () => {
          encoded++
          return bytes(String(state))
        },
        entries: [{ index: i, value: bytes(String(i)) }],
      })
    })
    await Promise.all(writes)
    // The first goes alone, the others in the group after it.
    expect(encoded).toBe(2)
    expect(text(await books.get('busy'))).toBe('50')
    expect(await books.entries('busy', 0, 100)).toHaveLength(50)
  })

  it('forget old entries and whole accounts', async () => {
    const books = store.paymentsMade
    for (let index = 1; index <= 30; index++)
      await books.write({
        id: 'a',
        account: () => bytes('a'),
        entries: [{ index, value: bytes('v') }],
        forgetBelow: index - 10,
      })
    expect((await books.entries('a', 0, 100)).map(({ index }) => index)).toEqual(
      Array.from({ length: 11 }, (_, i) => 20 + i),
    )
    await books.write({ id: 'b', account: () => bytes('b'), entries: [{ index: 7, value: bytes('v') }] })
    await books.remove('a')
    expect(await books.entries('a', 0, 100)).toEqual([])
    expect(await books.entries('b', 0, 100)).toHaveLength(1)
    expect((await books.accounts()).map(({ id }) => id)).toEqual(['b'])
  })

  it('fail every write of a group that the disk does not take, and go on', async () => {
    const books = store.paymentsMade
    const failing = books.write({
      id: 'a',
      account: () => {
        throw new Error('not encodable')
      },
    })
    await expect(failing).rejects.toThrow('not encodable')
    expect(books.count).toBe(0)
    await books.write({ id: 'b', account: () => bytes('b') })
    expect(await books.get('a')).toBeUndefined()
    for (const id of ['', 'x'.repeat(129), 'a:b'])
      await expect(books.write({ id, account: () => bytes('') })).rejects.toThrow(RangeError)
  })
})
