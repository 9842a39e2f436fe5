import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kaldiFbank } from '../../../../src/ml/audio/kaldi.js'
import { Random } from '../../../../src/ml/train/random.js'
import { augment, framesAtSpeed } from '../../../../src/models/asr-small/augment.js'
import {
  planBlock,
  ROW_FRAMES,
  syntheticWanted,
  trainingBatch,
} from '../../../../src/models/asr-small/batches.js'
import type { Clip } from '../../../../src/models/asr-small/data/prepare.js'
import { ASR_SMALL, outputFrames } from '../../../../src/models/asr-small/definition.js'
import {
  extractFeatures,
  MELS,
  normaliseFrames,
  toLogEnergies,
} from '../../../../src/models/asr-small/features.js'
import { AsrSmall, cut } from '../../../../src/models/asr-small/recogniser.js'
import {
  ASR_SMALL_RECIPE,
  AsrSmallTraining,
  holdThenFall,
} from '../../../../src/models/asr-small/training.js'

const noise = (samples: number, seed: number): Float32Array => {
  const random = Random.named(seed, 'noise')
  return Float32Array.from(
    { length: samples },
    (_, i) => 0.3 * Math.sin(i * 0.1 * seed) + 0.1 * random.normal(),
  )
}

const clips: readonly Clip[] = Array.from({ length: 24 }, (_, i): Clip => {
  const features = extractFeatures(noise(8000 + 700 * i, i + 1), 16_000)
  return {
    id: `clip/${i}`,
    text: ['yes', 'no thank you', 'press one', 'stop'][i % 4] ?? '',
    split: 'train',
    source: i % 3 === 0 ? 'asterisk' : 'synthetic',
    speaker: 'nobody',
    frames: features.frames,
    offset: 0,
    features,
  }
})

describe('features', () => {
  it("are Kaldi's within the step of their storage", () => {
    const sound = noise(16_000, 3)
    const { bytes, frames } = extractFeatures(sound, 16_000)
    const exact = kaldiFbank(
      sound.map((value) => value * 32_768),
      { mels: MELS },
    )
    expect(frames).toBe(exact.frames)
    const stored = toLogEnergies({ bytes, frames })
    stored.forEach((value, i) => {
      expect(Math.abs(value - Math.max(2, exact.values[i] ?? 0))).toBeLessThan(0.0501)
    })
  })

  it('of another rate are about those of the same sound', () => {
    const tone = (rate: number) => Float32Array.from({ length: rate }, (_, i) => Math.sin((2000 * i) / rate))
    const [a, b] = [extractFeatures(tone(16_000), 16_000), extractFeatures(tone(22_050), 22_050)]
    expect(b.frames).toBe(a.frames)
    const loudest = (bytes: Uint8Array) =>
      bytes.subarray(0, MELS).indexOf(Math.max(...bytes.subarray(0, MELS)))
    expect(loudest(b.bytes)).toBe(loudest(a.bytes))
  })

  it('have no mean when normalised', () => {
    const values = normaliseFrames(toLogEnergies(extractFeatures(noise(9000, 2), 16_000)))
    for (let m = 0; m < MELS; m++) {
      let sum = 0
      for (let i = m; i < values.length; i += MELS) sum += values[i] ?? 0
      expect(Math.abs(sum)).toBeLessThan(1e-3)
    }
  })

  it('of a long sound are cut into pieces that fit, and nothing is lost', () => {
    const energies = Float32Array.from({ length: 8000 * MELS }, (_, i) => Math.floor(i / MELS))
    const pieces = cut(energies)
    expect(pieces.every((piece) => piece.length <= (ROW_FRAMES.at(-1) ?? 0) * MELS)).toBe(true)
    expect(Float32Array.from(pieces.flatMap((piece) => [...piece]))).toEqual(energies)
    expect(cut(new Float32Array(0))).toEqual([])
  })
})

describe('variety', () => {
  it('follows its generator and changes length as the speed says', () => {
    const [clip] = clips
    if (clip === undefined) throw new Error('no clip')
    const make = (seed: number) => augment(clip.features, 0.9, new Random(seed))
    expect(make(1)).toEqual(make(1))
    expect(make(1)).not.toEqual(make(2))
    expect(make(1).length).toBe(framesAtSpeed(clip.features.frames, 0.9) * MELS)
    expect(make(3).every(Number.isFinite)).toBe(true)
  })
})

describe('batches', () => {
  const options = { ...ASR_SMALL_RECIPE, shortBlocks: 0 }

  it('are the same for the same block, and of known shapes', () => {
    const plans = planBlock(clips, 3, options)
    expect(planBlock(clips, 3, options)).toEqual(plans)
    expect(planBlock(clips, 4, options)).not.toEqual(plans)
    expect(plans.length).toBeGreaterThan(2)
    for (const { frames, draws } of plans) {
      expect(ROW_FRAMES).toContain(frames)
      for (const { clip, speed } of draws)
        expect(framesAtSpeed(clip.features.frames, speed)).toBeLessThanOrEqual(frames)
    }
  })

  it('draw synthetic sentences only from those that must be there', () => {
    const few = { ...options, synthetic: { first: 2, perBlock: 1 } }
    const allowed = new Set(clips.filter(({ source }) => source === 'synthetic').slice(0, 5))
    expect(syntheticWanted(3, few)).toBe(5)
    for (const { draws } of planBlock(clips, 3, few))
      for (const { clip } of draws) expect(clip.source !== 'synthetic' || allowed.has(clip)).toBe(true)
  })

  it('never ask CTC for more letters than there are frames', () => {
    for (const plan of planBlock(clips, 1, options)) {
      const batch = trainingBatch(plan, 1, 'x')
      const { lengths, labels, targets } = batch
      if (lengths === undefined || labels === undefined || targets === undefined)
        throw new Error('incomplete')
      for (let row = 0; row < plan.draws.length; row++) {
        expect(Number(labels.data[row])).toBeLessThanOrEqual(Number(lengths.data[row]))
        expect(Number(labels.data[row])).toBeLessThanOrEqual(targets.shape[1] ?? 0)
        expect(Number(lengths.data[row])).toBeLessThanOrEqual(outputFrames(plan.frames))
      }
    }
  })
})

describe('the rate', () => {
  const rate = holdThenFall({ peakRate: 1, warmUp: 10, updates: 100, holdShare: 0.5 })

  it('rises, holds and falls to zero', () => {
    expect([rate(0), rate(9), rate(30), rate(49)]).toEqual([0.1, 1, 1, 1])
    expect(rate(75)).toBeCloseTo(0.5)
    expect(rate(100)).toBe(0)
    expect(rate(1000)).toBe(0)
  })

  it('does not depend on the length of the run before it falls', () => {
    const longer = holdThenFall({ peakRate: 1, warmUp: 10, updates: 400, holdShare: 0.5 })
    for (let update = 0; update < 50; update++) expect(longer(update)).toBe(rate(update))
  })
})

describe('a run', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'plumbline-asr-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('goes on to the bit after it was saved, learns, and serves what it wrote', async () => {
    const short = clips.filter(({ features }) => features.frames < 120)
    const recipe = { ...ASR_SMALL_RECIPE, updates: 6, warmUp: 1 }
    const whole = await AsrSmallTraining.open(recipe, short, 1)
    const first = await whole.advance(3)
    await whole.save(join(folder, 'state.safetensors'))
    const last = await whole.advance(10)
    expect(whole.finished).toBe(true)
    expect(last.update).toBe(6)
    expect(last.loss).toBeLessThan(first.loss)
    await whole.exportWeights(join(folder, 'model.safetensors'))
    await whole.close()

    const resumed = await AsrSmallTraining.open(recipe, short, 1, join(folder, 'state.safetensors'))
    expect(resumed.update).toBe(3)
    expect(await resumed.advance(10)).toEqual(last)
    const figures = await resumed.evaluate(short.slice(0, 3))
    expect(figures.cer).toBeGreaterThan(0)
    await resumed.close()

    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ model_type: 'plumbline-asr-small', ...ASR_SMALL }),
    )
    const served = await AsrSmall.open(folder)
    const sound = noise(20_000, 5)
    const [piece] = await served.logProbabilities(sound, 16_000)
    expect(piece?.frames).toBe(outputFrames(extractFeatures(sound, 16_000).frames))
    expect(await served.logProbabilities(new Float32Array(100), 16_000)).toEqual([])
    expect(typeof (await served.transcribe(sound, 8000))).toBe('string')
    await served.close()
  })

  it('refuses to begin with nothing, and a configuration that is not its own', async () => {
    await expect(AsrSmallTraining.open(ASR_SMALL_RECIPE, [], 1)).rejects.toThrow(/no clips/)
    await writeFile(join(folder, 'config.json'), '{"model_type":"bert"}')
    await expect(AsrSmall.open(folder)).rejects.toThrow(/config\.json/)
  })
})
