/** Training: learning, seeds, resuming to the bit, accumulation, frozen parameters, buckets, checkpoints. */
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { add, iota } from '../../../src/ml/graph/index.js'
import {
  causalMask,
  embedding,
  feedForward,
  layerNorm,
  linear,
  maskToBias,
  multiHeadAttention,
} from '../../../src/ml/layers/index.js'
import { crossEntropy } from '../../../src/ml/losses/index.js'
import { constantRate, linearDecay } from '../../../src/ml/optim/index.js'
import { integers } from '../../../src/ml/session/evaluate.js'
import type { TensorValues } from '../../../src/ml/session/session.js'
import {
  Cache,
  DivergedError,
  loadTrainingState,
  loadWeights,
  Random,
  type TrainedModel,
  Trainer,
  type TrainerOptions,
} from '../../../src/ml/train/index.js'

const VOCABULARY = 11
const WIDTH = 16

/** A decoder-only language model of one block, as its paper has it. */
const languageModel: TrainedModel = ({ parameters: p, input, dropout }) => {
  const ids = input('ids')
  const time = ids.shape[1] ?? 1
  const positions = embedding(p.at('position'), iota(ids, time), 32, WIDTH)
  const bias = maskToBias(causalMask(ids, time))
  let x = dropout(add(embedding(p.at('token'), ids, VOCABULARY, WIDTH), positions), 0.1)
  x = add(x, multiHeadAttention(p.at('attention'), layerNorm(p.at('norm1'), x), { heads: 2, bias }).output)
  x = add(x, dropout(feedForward(p.at('ffn'), layerNorm(p.at('norm2'), x), 4 * WIDTH), 0.1))
  const logits = linear(p.at('head'), layerNorm(p.at('norm'), x), VOCABULARY)
  const { mean } = crossEntropy(logits, input('next'))
  return { loss: mean, metrics: { logits } }
}

/** Sequences that count up by one. */
function batchOf(seed: number, rows = 4, time = 8): TensorValues {
  const random = new Random(seed)
  const starts = Array.from({ length: rows }, () => random.below(VOCABULARY))
  const at = (shift: number): number[] =>
    starts.flatMap((start) => Array.from({ length: time }, (_, t) => (start + t + shift) % VOCABULARY))
  return { ids: integers([rows, time], at(0)), next: integers([rows, time], at(1)) }
}

const options: TrainerOptions = {
  model: languageModel,
  example: batchOf(0),
  rate: constantRate(1e-2, { warmUp: 5 }),
  seed: 42,
  adam: { weightDecay: 0.01 },
  clip: 1,
  averageDecay: linearDecay(0.9, 0.99, 50),
}

async function trained(updates: number, changes: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const trainer = await Trainer.open({ ...options, ...changes })
  for (let i = 0; i < updates; i++) await trainer.step(batchOf(i))
  return trainer
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plumbline-train-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a run', () => {
  it('learns', async () => {
    const trainer = await trained(0)
    const { loss: before, metrics } = await trainer.evaluate(batchOf(99))
    expect(metrics.logits?.shape).toEqual([4, 8, VOCABULARY])
    for (let i = 0; i < 60; i++) await trainer.step(batchOf(i))
    const { loss: after } = await trainer.evaluate(batchOf(99))
    const { loss: averaged } = await trainer.evaluate(batchOf(99), trainer.average)
    expect(before).toBeGreaterThan(0.8 * Math.log(VOCABULARY))
    expect(after).toBeLessThan(0.2)
    expect(averaged).toBeLessThan(before)
    await trainer.close()
  })

  it.each([1, 2])(
    'is the same for the same seed, on %i threads, and another for another',
    async (threads) => {
      const runs = await Promise.all([42, 42, 43].map((seed) => trained(6, { seed, threads })))
      const [a, b, c] = runs.map((run) => run.parameters)
      expect(a).toEqual(b)
      expect(a).not.toEqual(c)
      for (const run of runs) await run.close()
    },
  )

  it('saved and resumed is the run that was never interrupted, to the bit', async () => {
    const path = join(folder, 'run.safetensors')
    const whole = await trained(9)
    const first = await trained(4)
    await first.save(path, { place: '4' })
    await first.close()
    const second = await trained(2)
    expect(await second.resume(path)).toEqual({ place: '4' })
    expect(second.update).toBe(4)
    for (let i = 4; i < 9; i++) await second.step(batchOf(i))
    expect(second.parameters).toEqual(whole.parameters)
    expect(second.average).toEqual(whole.average)
    await second.save(path)
    const again = join(folder, 'whole.safetensors')
    await whole.save(again)
    expect(await readFile(path)).toEqual(await readFile(again))
    await whole.close()
    await second.close()
  })

  it('goes on only from a state of its own kind', async () => {
    const path = join(folder, 'kind.safetensors')
    const trainer = await trained(1)
    await trainer.save(path)
    await trainer.close()
    const { averageDecay: _, ...noAverage } = options
    for (const [changes, message] of [
      [{ ...options, seed: 1 }, /trained with seed 42, not 1/],
      [noAverage, /has a moving average/],
      [
        {
          ...options,
          model: ((c) => languageModel({ ...c, parameters: c.parameters.at('x') })) as TrainedModel,
        },
        /other parameters/,
      ],
    ] as const) {
      const other = await Trainer.open(changes)
      await expect(other.resume(path)).rejects.toThrow(message)
      await other.close()
    }
    await truncate(path, 500)
    await expect(loadTrainingState(path)).rejects.toThrow()
    await writeFile(path, 'nothing of the kind')
    await expect(loadTrainingState(path)).rejects.toThrow()
  })

  it('over two half batches is the run over whole ones, to rounding', async () => {
    const plain: TrainerOptions = {
      ...options,
      model: (context) => languageModel({ ...context, dropout: (x) => x }),
    }
    const [whole, halves] = [await Trainer.open(plain), await Trainer.open(plain)]
    for (let i = 0; i < 4; i++) {
      const both = batchOf(i)
      const half = (from: number): TensorValues =>
        Object.fromEntries(
          Object.entries(both).map(([name, { data }]) => [
            name,
            {
              dtype: 'int64' as const,
              shape: [2, 8],
              data: (data as BigInt64Array).slice(from * 16, from * 16 + 16),
            },
          ]),
        )
      const one = await whole.step(both)
      const two = await halves.step(half(0), half(1))
      expect(two.batches).toHaveLength(2)
      expect(two.loss).toBeCloseTo(one.loss, 5)
      expect(two.gradientNorm).toBeCloseTo(one.gradientNorm, 4)
    }
    await whole.close()
    await halves.close()
  })

  it('leaves frozen parameters and those of rate 0 as they are', async () => {
    const trainer = await trained(3, {
      isFrozen: (name) => name.startsWith('token.'),
      rateScale: ({ name }) => (name.startsWith('position.') ? 0 : 1),
    })
    expect(trainer.frozenLayout.entries.map(({ name }) => name)).toEqual(['token.weight'])
    expect(trainer.frozen).toEqual(trainer.frozenLayout.initialise(options.seed))
    const fresh = trainer.layout.initialise(options.seed)
    for (const entry of trainer.layout.entries) {
      const [now, then] = [trainer.layout.view(trainer.parameters, entry), trainer.layout.view(fresh, entry)]
      if (entry.name.startsWith('position.')) expect(now).toEqual(then)
      else expect(now, entry.name).not.toEqual(then)
    }
    await trainer.close()
  })

  it('refuses an update that is no number, and keeps its parameters', async () => {
    const trainer = await trained(1)
    trainer.parameters[0] = Number.NaN
    const before = trainer.parameters.slice()
    await expect(trainer.step(batchOf(0))).rejects.toThrow(DivergedError)
    expect(trainer.parameters).toEqual(before)
    expect(trainer.update).toBe(1)
    await trainer.close()
  })

  it('keeps one graph for each set of shapes, within its limit', async () => {
    const trainer = await trained(1, { graphs: 2 })
    for (const time of [5, 6, 7, 5]) await trainer.step(batchOf(time, 2, time))
    expect(trainer.graphs).toBe(2)
    expect(trainer.update).toBe(5)
    await trainer.close()
  })

  it('exports weights under their names', async () => {
    const path = join(folder, 'weights.safetensors')
    const trainer = await trained(2)
    await trainer.exportWeights(path)
    const loaded = new Float32Array(trainer.layout.size)
    await loadWeights(path, trainer.layout, loaded)
    expect(loaded).toEqual(trainer.average)
    const other = await trained(0, {
      model: (c) => languageModel({ ...c, parameters: c.parameters.at('other') }),
    })
    await expect(loadWeights(path, other.layout, loaded)).rejects.toThrow(
      /other\.position\.weight is missing/,
    )
    await trainer.close()
    await other.close()
  })
})

describe('randomness', () => {
  it('goes on from its state, and differs by name', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.nat(20), (seed, skip) => {
        const random = new Random(seed)
        for (let i = 0; i < skip; i++) random.bits()
        const copy = new Random(random.state)
        expect([random.bits(), random.normal(), random.below(7)]).toEqual([
          copy.bits(),
          copy.normal(),
          copy.below(7),
        ])
        expect(Random.named(seed, 'a').bits()).not.toBe(Random.named(seed, 'b').bits())
      }),
    )
  })

  it('has the moments of its distributions', () => {
    const random = new Random(1)
    const n = 20_000
    const moments = (draw: () => number): readonly [number, number] => {
      const values = Array.from({ length: n }, draw)
      const mean = values.reduce((a, b) => a + b, 0) / n
      return [mean, values.reduce((a, b) => a + (b - mean) ** 2, 0) / n]
    }
    // Five standard errors each.
    const [uniform, uniformVariance] = moments(() => random.uniform())
    expect(Math.abs(uniform - 0.5)).toBeLessThan(0.011)
    expect(Math.abs(uniformVariance - 1 / 12)).toBeLessThan(0.003)
    const [normal, normalVariance] = moments(() => random.normal())
    expect(Math.abs(normal)).toBeLessThan(0.036)
    expect(Math.abs(normalVariance - 1)).toBeLessThan(0.05)
    const [gumbel, gumbelVariance] = moments(() => random.gumbel())
    expect(Math.abs(gumbel - 0.5772)).toBeLessThan(0.046)
    expect(Math.abs(gumbelVariance - Math.PI ** 2 / 6)).toBeLessThan(0.13)
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5])
  })
})

describe('kept graphs', () => {
  it('close what was used least recently, and try again what failed', async () => {
    const closed: string[] = []
    const cache = new Cache<{ close(): Promise<void> }>(2)
    const make = (key: string) => async () => ({
      close: async () => {
        closed.push(key)
      },
    })
    await expect(cache.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key, make(key))
    expect(closed).toEqual(['b'])
    await cache.close()
    expect(closed).toEqual(['b', 'a', 'c'])
  })
})
