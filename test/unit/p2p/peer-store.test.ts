/** Records of peers where the disk takes no more: nothing throws, one line says so, and one that it is over. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { expect, it } from 'vitest'
import { failureOf } from '../../../src/p2p/answer.js'
import { PeerStore } from '../../../src/p2p/peer-store.js'
import type { Logger } from '../../../src/telemetry/logger.js'

it('leaves out what cannot be written, and says so once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-peers-'))
  const said: string[] = []
  const say = (...words: unknown[]) => said.push(String(words.at(-1)))
  const store = new PeerStore(join(directory, 'peers'), { error: say, warn: say } as unknown as Logger)
  const [key, value] = [new Key('/peers/a'), new Uint8Array([1])]
  try {
    await store.open()
    await store.put(key, value)
    expect([...(await store.get(key))]).toEqual([1])
    expect(said).toEqual([])
    // A closed database refuses every write, as a full disk does.
    await store.close()
    await store.put(key, value)
    await store.delete(key)
    const batch = store.batch()
    batch.put(key, value)
    await batch.commit()
    expect(said).toEqual([expect.stringContaining('the disk cannot be written')])
    await store.open()
    await store.put(key, value)
    expect(said.at(-1)).toBe('peers are kept again')
  } finally {
    await store.close()
    await rm(directory, { recursive: true })
  }
})

it('whoever asks a node that cannot write is told so, and nothing else of it', () => {
  const full = Object.assign(new Error('IO error: /secret/place: No space left on device'), {
    code: 'LEVEL_IO_ERROR',
  })
  for (const error of [full, new Error('batch failed', { cause: full })])
    expect(failureOf(error)).toEqual({ status: 'internal', message: 'this node cannot write to its disk' })
  expect(failureOf(new Error('a bug'))).toEqual({ status: 'internal', message: 'internal error' })
})
