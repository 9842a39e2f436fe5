import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database.js'
import { DurableMap } from '../../../src/store/durable-map.js'

describe('a durable map', () => {
  let directory: string
  let database: Database
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-map-'))
    database = await openDatabase(directory)
  })
  afterEach(async () => {
    await database.close()
    await rm(directory, { recursive: true, force: true })
  })
  const bytes = (text: string) => new TextEncoder().encode(text)

  it('keeps its entries by key, in order, and by prefix', async () => {
    const map = await DurableMap.open(database, 'test', 10)
    await map.write([
      { key: 'b:2', value: bytes('two') },
      { key: 'a:1', value: bytes('one') },
      { key: 'b:1', value: bytes('half') },
    ])
    const again = await DurableMap.open(database, 'test', 10)
    expect(again.count).toBe(3)
    expect((await again.entries('b:')).map(({ key }) => key)).toEqual(['b:1', 'b:2'])
    expect(await again.get('a:1')).toEqual(bytes('one'))
    await again.write([{ key: 'a:1' }])
    expect(await again.get('a:1')).toBeUndefined()
    expect(again.count).toBe(2)
  })

  it('writes all or nothing, and never more than its bound', async () => {
    const map = await DurableMap.open(database, 'test', 2)
    await map.write([{ key: '1', value: bytes('') }])
    const more = ['2', '3'].map((key) => ({ key, value: bytes('') }))
    await expect(map.write(more)).rejects.toThrow(RangeError)
    expect((await map.entries()).map(({ key }) => key)).toEqual(['1'])
    await expect(map.write([{ key: '', value: bytes('') }])).rejects.toThrow(RangeError)
    // What leaves makes room in the same write.
    await map.write([{ key: '1' }, ...more])
    expect(map.count).toBe(2)
  })
})
