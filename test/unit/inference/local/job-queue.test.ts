import { describe, expect, it } from 'vitest'
import { JobQueue } from '../../../../src/inference/local/job-queue.js'

const queueOf = (options: Partial<ConstructorParameters<typeof JobQueue>[0]> = {}): JobQueue =>
  new JobQueue({ parallel: 1, mostWaiting: 2, mostBytes: 1000, deadlineMs: 60_000, ...options })

/** Work that ends when it is told to, or when it is cancelled. */
function gate(): { readonly work: (signal: AbortSignal) => Promise<string>; readonly open: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return {
    work: (signal) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      return promise
    },
    open: () => resolve('done'),
  }
}

describe('a line of jobs', () => {
  it('is worked off in order, one at a time', async () => {
    const queue = queueOf()
    const order: number[] = []
    const first = gate()
    const jobs = [
      queue.run(1, first.work).then(() => order.push(1)),
      queue.run(1, async () => 'b').then(() => order.push(2)),
      queue.run(1, async () => 'c').then(() => order.push(3)),
    ]
    expect(queue.length).toBe(3)
    first.open()
    await Promise.all(jobs)
    expect(order).toEqual([1, 2, 3])
    expect(queue.length).toBe(0)
  })

  it('refuses what it has no room for, and says when to come again', async () => {
    const queue = queueOf()
    const first = gate()
    const jobs = [queue.run(1, first.work), queue.run(1, async () => ''), queue.run(1, async () => '')]
    await expect(queue.run(1, async () => '')).rejects.toMatchObject({
      code: 'BUSY',
      details: { retryAfterSeconds: 3 },
    })
    first.open()
    await Promise.all(jobs)
    await expect(queue.run(1, async () => 'again')).resolves.toBe('again')
  })

  it('counts the bytes of what waits and runs, but takes a single one of any size', async () => {
    const queue = queueOf()
    await expect(queue.run(5000, async () => 'large')).resolves.toBe('large')
    const first = gate()
    const running = queue.run(600, first.work)
    await expect(queue.run(500, async () => '')).rejects.toMatchObject({ code: 'BUSY' })
    const small = queue.run(400, async () => 'small')
    first.open()
    await Promise.all([running, small])
    await expect(queue.run(500, async () => 'fits')).resolves.toBe('fits')
  })

  it('a job that is cancelled in line leaves it, one that runs is told', async () => {
    const queue = queueOf()
    const first = gate()
    const stop = new AbortController()
    const leave = new AbortController()
    const running = queue.run(1, first.work, stop.signal)
    const waiting = queue.run(1, async () => 'never', leave.signal)
    leave.abort(new Error('left'))
    await expect(waiting).rejects.toThrow('left')
    expect(queue.length).toBe(1)
    stop.abort(new Error('stopped'))
    await expect(running).rejects.toThrow('stopped')
    await expect(queue.run(1, async () => 'next')).resolves.toBe('next')
  })

  it('a place is free only when the work has ended, not when its caller was told', async () => {
    const queue = queueOf()
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = new AbortController()
    const deaf = queue.run(1, () => promise, stop.signal)
    await new Promise((tick) => setImmediate(tick))
    stop.abort(new Error('stopped'))
    await expect(deaf).rejects.toThrow('stopped')
    let began = false
    const next = queue.run(1, async () => {
      began = true
    })
    await new Promise((tick) => setImmediate(tick))
    expect(began).toBe(false)
    resolve()
    await next
    expect(began).toBe(true)
  })

  it('a deadline counts from joining', async () => {
    const queue = queueOf({ deadlineMs: 30 })
    queue.pause()
    await expect(queue.run(1, async () => '')).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(queue.length).toBe(0)
  })

  it('begins nothing while it is paused', async () => {
    const queue = queueOf()
    queue.pause()
    let began = false
    const job = queue.run(1, async () => {
      began = true
    })
    await new Promise((tick) => setImmediate(tick))
    expect(began).toBe(false)
    queue.resume()
    await job
    expect(began).toBe(true)
  })

  it('closing cancels what runs and waits, and takes nothing more', async () => {
    const queue = queueOf()
    const jobs = [queue.run(1, gate().work), queue.run(1, async () => '')]
    const settled = Promise.allSettled(jobs)
    await queue.close()
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } })
    await expect(queue.run(1, async () => '')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('a line that clients share', () => {
  const runOf =
    (queue: JobQueue, order: string[]) =>
    (client: string, bytes = 1) =>
      queue
        .run(bytes, async () => order.push(client), undefined, { client })
        .catch((error: { code: string }) => order.push(`${client} ${error.code}`))

  it('is worked off in turns, however many pieces one has in it', async () => {
    const queue = queueOf({ mostWaiting: 10 })
    const order: string[] = []
    const run = runOf(queue, order)
    const first = gate()
    const jobs: Promise<unknown>[] = [queue.run(1, first.work, undefined, { client: 'a' })]
    jobs.push(...['a', 'a', 'a', 'b', 'b', 'c'].map((client) => run(client)))
    first.open()
    await Promise.all(jobs)
    expect(order).toEqual(['b', 'c', 'a', 'b', 'a', 'a'])
  })

  it('has a place for who comes late: the newest piece of who has the most gives way', async () => {
    const queue = queueOf({ mostWaiting: 4 })
    const order: string[] = []
    const run = runOf(queue, order)
    const first = gate()
    const jobs: Promise<unknown>[] = [queue.run(1, first.work, undefined, { client: 'a' })]
    jobs.push(...['a', 'a', 'a', 'a'].map((client) => run(client)))
    // Five, four and three of one against none, one and two of another; then nobody has two more than it.
    jobs.push(...['b', 'b', 'b'].map((client) => run(client)))
    await Promise.all(jobs.slice(3, 5))
    expect(order.toSorted()).toEqual(['a BUSY', 'a BUSY', 'b BUSY'])
    expect(queue.length).toBe(5)
    first.open()
    await Promise.all(jobs)
    expect(order.slice(3)).toEqual(['b', 'a', 'b', 'a'])
    expect(queue.length).toBe(0)
  })

  it('gives way in bytes, too, and for nothing gives nobody up', async () => {
    const queue = queueOf({ mostWaiting: 10 })
    const order: string[] = []
    const run = runOf(queue, order)
    const first = gate()
    const jobs: Promise<unknown>[] = [queue.run(100, first.work, undefined, { client: 'a' })]
    jobs.push(...[300, 300, 300].map((bytes) => run('a', bytes)))
    await run('b', 1000)
    expect(order).toEqual(['b BUSY'])
    jobs.push(run('b', 500))
    await Promise.all(jobs.slice(2, 4))
    expect(order).toEqual(['b BUSY', 'a BUSY', 'a BUSY'])
    first.open()
    await Promise.all(jobs)
    expect(order.slice(3)).toEqual(['b', 'a'])
    await expect(queue.run(900, async () => 'fits')).resolves.toBe('fits')
  })
})

describe('a line of several kinds', () => {
  /** Lets pieces into the line behind one that runs, `client:kind` each, and says in which order they ran. */
  const orderOf = async (first: string, pieces: readonly string[]): Promise<readonly string[]> => {
    const queue = queueOf({ mostWaiting: 100 })
    const order: string[] = []
    const run = (piece: string, work: (signal: AbortSignal) => Promise<unknown>) => {
      const [client, kind] = piece.split(':')
      return queue.run(1, work, undefined, { client, kind })
    }
    const running = gate()
    const jobs: Promise<unknown>[] = [run(first, running.work)]
    for (const piece of pieces) jobs.push(run(piece, async () => order.push(piece)))
    running.open()
    await Promise.all(jobs)
    return order
  }

  it("takes a client's pieces of the kind that ran last together", async () => {
    const pieces = ['a:deu', 'a:eng', 'a:deu', 'a:hin', 'a:eng']
    expect(await orderOf('a:eng', pieces)).toEqual(['a:eng', 'a:eng', 'a:deu', 'a:deu', 'a:hin'])
  })

  it('lets nobody wait for it: clients take turns as before', async () => {
    const pieces = ['a:eng', 'a:eng', 'b:deu', 'b:eng', 'c:deu']
    expect(await orderOf('a:eng', pieces)).toEqual(['b:eng', 'c:deu', 'a:eng', 'b:deu', 'a:eng'])
  })

  it('passes over no piece for ever', async () => {
    const pieces = ['a:deu', 'a:hin', ...Array<string>(20).fill('a:eng')]
    const order = await orderOf('a:eng', pieces)
    expect(order.indexOf('a:deu')).toBe(8)
    expect(order.indexOf('a:hin')).toBe(9)
    expect(order).toHaveLength(pieces.length)
  })
})
