/** Sessions in this thread and in places of their own: results, cancellation, memory, deaths, the web runtime. */
import { afterEach, describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { gradients } from '../../../src/ml/autodiff/index.js'
import { add, Graph, matmul, mul, sum, type Tensor, tanh } from '../../../src/ml/graph/index.js'
import { ctcLoss } from '../../../src/ml/losses/index.js'
import { encodeModel } from '../../../src/ml/onnx/index.js'
import {
  evaluate,
  floats,
  integers,
  RemoteSession,
  ServiceHost,
  Session,
} from '../../../src/ml/session/index.js'
import { Random } from '../../../src/ml/train/random.js'

const MIB = 2 ** 20

/** x + 1. */
function plusOne(): Uint8Array {
  const graph = new Graph()
  graph.output('y', add(graph.input('x', 'float32', ['n']), 1))
  return encodeModel(graph)
}

/** Products of square matrices, one after another: as slow as asked. */
function slow(size: number, times: number): Uint8Array {
  const graph = new Graph()
  let x: Tensor = graph.input('x', 'float32', [size, size])
  const first = x
  for (let i = 0; i < times; i++) x = tanh(matmul(x, first))
  graph.output('y', sum(x))
  return encodeModel(graph)
}

/** As much memory as the input's square. */
function hungry(): Uint8Array {
  const graph = new Graph()
  const x = graph.input('x', 'float32', ['n', 1])
  const y = graph.input('y', 'float32', [1, 'm'])
  graph.output('z', sum(tanh(mul(x, y))))
  return encodeModel(graph)
}

/** Long enough for a call to have been sent, far shorter than the slow graphs. */
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))

const open: { close(): Promise<void> }[] = []
function keep<T extends { close(): Promise<void> }>(thing: T): T {
  open.push(thing)
  return thing
}
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close()
})

describe('a session in this thread', () => {
  it('writes into the buffers it is given', async () => {
    const session = keep(await Session.open(plusOne()))
    const whole = new Float32Array(6)
    const { y } = await session.run(
      { x: floats([2], [1, 2]) },
      { into: { y: floats([2], whole.subarray(3, 5)) } },
    )
    expect(Array.from(whole)).toEqual([0, 0, 0, 2, 3, 0])
    expect(y?.data.buffer).toBe(whole.buffer)
  })

  it('says what is wrong with a model or an input', async () => {
    await expect(Session.open(new Uint8Array([1, 2, 3]))).rejects.toThrow(/protobuf/i)
    const session = keep(await Session.open(plusOne()))
    await expect(session.run({})).rejects.toThrow(/x/)
    await expect(session.run({ x: integers([1], [1]) })).rejects.toThrow(/int64|float/)
    await session.close()
    await expect(session.run({ x: floats([1], [1]) })).rejects.toThrow(/closed/)
  })

  it('computes the same on the web runtime, loss, gradient and all', async () => {
    const graph = new Graph()
    const logits = graph.input('logits', 'float32', [2, 9, 5])
    const w = graph.input('w', 'float32', [5, 5])
    const scores = matmul(logits, w, { transposeB: true })
    const loss = ctcLoss(
      scores,
      graph.input('targets', 'int64', [2, 3]),
      graph.input('frames', 'int64', [2]),
      graph.input('labels', 'int64', [2]),
    ).mean
    graph.output('loss', loss)
    gradients(loss, [w]).forEach((gradient) => {
      graph.output('gradient', gradient)
    })
    const random = new Random(1)
    const inputs = {
      logits: floats(
        [2, 9, 5],
        Float32Array.from({ length: 90 }, () => random.normal()),
      ),
      w: floats(
        [5, 5],
        Float32Array.from({ length: 25 }, () => random.normal()),
      ),
      targets: integers([2, 3], [1, 1, 2, 3, 4, 4]),
      frames: integers([2], [9, 7]),
      labels: integers([2], [3, 2]),
    }
    const native = await evaluate(graph, inputs, { runtime: 'native' })
    const web = await evaluate(graph, inputs, { runtime: 'web' })
    expect(native.gradient?.data).toHaveLength(25)
    for (const name of ['loss', 'gradient'])
      Array.from((native[name]?.data ?? []) as Float32Array).forEach((value, i) => {
        expect(Math.abs(value - Number(web[name]?.data[i]))).toBeLessThan(1e-5 * (1 + Math.abs(value)))
      })
  })
})

describe.each(['process', 'worker'] as const)('a session in a %s', (placement) => {
  it('answers calls in order, each with its own', async () => {
    const session = keep(new RemoteSession(plusOne(), {}, { placement }))
    const results = await Promise.all(
      [1, 2, 3].map((value) => session.run({ x: floats([value], new Float32Array(value).fill(value)) })),
    )
    results.forEach(({ y }, i) => {
      expect(y?.data).toEqual(new Float32Array(i + 1).fill(i + 2))
    })
    expect(session.host.starts).toBe(1)
    expect(session.host.residentBytes).toBeGreaterThan(MIB)
  })

  it('passes on what the runtime complains of, and goes on', async () => {
    const session = keep(new RemoteSession(plusOne(), {}, { placement }))
    await expect(session.run({})).rejects.toThrow(/x/)
    await expect(session.host.call('walk', {})).rejects.toThrow(/no method walk/)
    expect((await session.run({ x: floats([1], [1]) })).y?.data[0]).toBe(2)
    expect(session.host.starts).toBe(1)
  })

  it('refuses a model that does not load, each time', async () => {
    const session = keep(new RemoteSession(new Uint8Array([1]), {}, { placement }))
    await expect(session.run({})).rejects.toThrow(/protobuf/i)
    await expect(session.run({})).rejects.toThrow(/protobuf/i)
  })

  it('drops a call that is cancelled while it waits, and answers at once one that runs', async () => {
    const session = keep(new RemoteSession(slow(256, 400), {}, { placement, graceMs: 60_000 }))
    await session.host.open()
    const x = floats([256, 256], new Float32Array(65536).fill(0.001))
    const [running, waiting] = [new AbortController(), new AbortController()]
    const first = session.run({ x }, { signal: running.signal })
    const second = session.run({ x }, { signal: waiting.signal })
    const third = session.run({ x })
    await soon()
    waiting.abort()
    await expect(second).rejects.toThrow(/abort/i)
    running.abort(new Error('the caller left'))
    await expect(first).rejects.toThrow('the caller left')
    expect((await third).y?.shape).toEqual([])
    expect(session.host.starts).toBe(1)
    await expect(session.run({ x }, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  it('ends a place that does not come back in time, and starts another', async () => {
    const session = keep(new RemoteSession(slow(512, 800), {}, { placement, graceMs: 20 }))
    await session.host.open()
    const x = floats([512, 512], new Float32Array(512 * 512))
    const controller = new AbortController()
    const first = session.run({ x }, { signal: controller.signal })
    const after = session.run({}).catch((error: Error) => error.message)
    await soon()
    controller.abort()
    await expect(first).rejects.toThrow(/abort/i)
    expect(await after).toMatch(/x/)
    expect(session.host.starts).toBe(2)
  })

  it('refuses when too many wait, and after closing', async () => {
    const session = new RemoteSession(slow(128, 200), {}, { placement, mostWaiting: 1 })
    const x = floats([128, 128], new Float32Array(16384))
    const running = session.run({ x })
    const waiting = session.run({ x }).catch((error: UserError) => error.code)
    await expect(session.run({ x })).rejects.toMatchObject({ code: 'BUSY' })
    await running
    await waiting
    await session.close()
    await expect(session.run({ x })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await session.close()
  })
})

describe('a memory limit', () => {
  it.runIf(process.platform === 'linux')('stops a run that would exceed it, not the daemon', async () => {
    const session = keep(new RemoteSession(hungry(), { arena: false }, { memoryBytes: 400 * MIB }))
    const side = (n: number) => ({
      x: floats([n, 1], new Float32Array(n)),
      y: floats([1, n], new Float32Array(n)),
    })
    expect((await session.run(side(1000))).z?.data[0]).toBe(0)
    const refusal = await session.run(side(14_000)).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(UserError)
    expect(refusal).toMatchObject({ code: 'UNAVAILABLE' })
    expect((refusal as UserError).line).toMatch(
      /^the model reached its limit of 0\.39 GiB of memory \([a-z_ ]+\); raise the limit \(--memory\), or send/i,
    )
    expect((await session.run(side(1000))).z?.data[0]).toBe(0)
    expect(session.host.residentBytes).toBeLessThan(500 * MIB)
  })

  it.runIf(process.platform === 'linux')(
    'holds what JavaScript allocates, too; the job that wanted it is told, and the next one runs',
    async () => {
      const source = `
        const kept = []
        export const open = async () => ({
          call: async (method, bytes) => {
            kept.push(new Uint8Array(bytes).fill(1))
            return kept.length
          },
        })`
      const url = `data:text/javascript,${encodeURIComponent(source)}`
      const host = keep(new ServiceHost({ url, factory: 'open', options: {} }, { memoryBytes: 300 * MIB }))
      expect(await host.call('hold', 20 * MIB)).toBe(1)
      const [large, next] = await Promise.allSettled([
        host.call('hold', 400 * MIB),
        host.call('hold', 20 * MIB),
      ])
      const reason = {
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/^the model reached its limit of 0\.29 GiB/),
      }
      expect(large).toMatchObject({ status: 'rejected', reason })
      expect(next.status).toBe('fulfilled')
      // Held together with what was held before, no more than the limit.
      let held = 0
      while (held < 30) {
        const more = await host.call('hold', 20 * MIB).catch(() => 0)
        if (more === 0) break
        held++
      }
      expect(held).toBeLessThan(300 / 20)
    },
  )

  it('is not for workers', () => {
    expect(() => new RemoteSession(plusOne(), {}, { placement: 'worker', memoryBytes: MIB })).toThrow(
      /process/,
    )
  })
})

describe('a service', () => {
  it('of a module that is not there is refused', async () => {
    const host = keep(new ServiceHost({ url: 'file:///nowhere.js', factory: 'open', options: {} }))
    await expect(host.call('run', {})).rejects.toThrow(/nowhere/)
  })

  it('gets none of the daemon’s secrets', async () => {
    process.env.PLUMBLINE_TEST_SECRET = 'secret'
    const source = 'export const open = async () => ({ call: async () => Object.keys(process.env) })'
    const url = `data:text/javascript,${encodeURIComponent(source)}`
    try {
      for (const placement of ['process', 'worker'] as const) {
        const host = keep(new ServiceHost({ url, factory: 'open', options: {} }, { placement }))
        expect(await host.call('names', {})).not.toContain('PLUMBLINE_TEST_SECRET')
      }
    } finally {
      delete process.env.PLUMBLINE_TEST_SECRET
    }
  })

  it('tells parts before the whole, to those who want them and have not left', async () => {
    const source = `export const open = async () => ({
      call: async (method, count, tell) => {
        for (let i = 0; i < count; i++) tell?.(i)
        if (method === 'wait') await new Promise((settle) => setTimeout(settle, 500))
        tell?.('last')
        return tell === undefined ? 'whole' : 'in parts'
      },
    })`
    const url = `data:text/javascript,${encodeURIComponent(source)}`
    for (const placement of ['process', 'worker'] as const) {
      const host = keep(new ServiceHost({ url, factory: 'open', options: {} }, { placement }))
      const told: unknown[] = []
      const onPart = (part: unknown): void => void told.push(part)
      expect(await host.call('count', 3, { onPart })).toBe('in parts')
      expect(told).toEqual([0, 1, 2, 'last'])
      expect(await host.call('count', 3)).toBe('whole')

      const leaving = new AbortController()
      const left = host.call('wait', 1, {
        signal: leaving.signal,
        onPart: (part) => {
          told.push(part)
          leaving.abort()
        },
      })
      await expect(left).rejects.toMatchObject({ name: 'AbortError' })
      expect(await host.call('count', 0)).toBe('whole')
      expect(told).toEqual([0, 1, 2, 'last', 0])
    }
  })

  it('that dies fails its call, and the next call starts another', async () => {
    const source =
      'export const open = async () => ({ call: async (method) => (method === "die" ? process.exit(3) : method) })'
    const url = `data:text/javascript,${encodeURIComponent(source)}`
    const host = keep(new ServiceHost({ url, factory: 'open', options: {} }))
    await expect(host.call('die', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await host.call('live', {})).toBe('live')
    expect(host.starts).toBe(2)
  })

  it('that is killed from outside costs the job it was at, and says how it ended', async () => {
    const source = `export const open = async () => ({
      call: async (method) =>
        method === 'pid' ? process.pid : method === 'wait' ? new Promise((settle) => setTimeout(settle, 60_000)) : method,
    })`
    const url = `data:text/javascript,${encodeURIComponent(source)}`
    const host = keep(new ServiceHost({ url, factory: 'open', options: {} }))
    const pid = Number(await host.call('pid', {}))
    const jobs = Promise.allSettled([host.call('wait', {}), host.call('second', {}), host.call('third', {})])
    await soon()
    // As the kernel does where memory runs out.
    process.kill(pid, 'SIGKILL')
    expect(await jobs).toMatchObject([
      {
        status: 'rejected',
        reason: {
          code: 'UNAVAILABLE',
          message: expect.stringContaining('SIGKILL'),
          remedy: expect.any(String),
        },
      },
      { status: 'fulfilled', value: 'second' },
      { status: 'fulfilled', value: 'third' },
    ])
    expect(host.starts).toBe(2)
    expect(await host.call('pid', {})).not.toBe(pid)
  })

  it('leaves the caller’s loop free while it computes', async () => {
    const session = keep(new RemoteSession(slow(512, 60)))
    await session.host.open()
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await session.run({ x: floats([512, 512], new Float32Array(512 * 512)) })
    clearInterval(timer)
    // A run that blocked the loop would leave at most the turns around it.
    expect(turns).toBeGreaterThan(5)
  })
})
