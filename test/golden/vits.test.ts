/** Cases 10: text encoder, both duration predictors, flow, HiFi-GAN, speakers; and what only training computes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Graph } from '../../src/ml/graph/index.js'
import { evaluate } from '../../src/ml/session/evaluate.js'
import type { TensorValue } from '../../src/ml/session/session.js'
import { VitsTokenizer } from '../../src/ml/tokenizers/vits.js'
import { openVitsCheckpoint, weightsOf } from '../../src/models/vits/checkpoint.js'
import { buildTraining } from '../../src/models/vits/graphs.js'
import { type Synthesis, type SynthesisOptions, VitsModel } from '../../src/models/vits/model.js'
import { type GoldenCase, goldenCases, type Tolerance } from './harness.js'

/** `quiet` of `quiet.waveform`: runs from text to sound, with the outputs that the case holds of each. */
const runsOf = (golden: GoldenCase): readonly string[] =>
  golden.tensorNames.flatMap((name) =>
    name.endsWith('.waveform') && golden.hasTensor(`${name.split('.')[0]}.log_duration`)
      ? [name.split('.')[0] ?? '']
      : [],
  )

/** A number that the notes state of a run: "slow.*: the same with speaking_rate 0.7". */
function statedOf(golden: GoldenCase, run: string, option: string): number | undefined {
  const notes = (golden.about.notes as readonly string[] | undefined) ?? []
  for (const note of notes)
    for (const about of note.split(/(?=\b\w+\.\*: )/)) {
      const stated = new RegExp(`\\b${option}(?: =)? ([0-9]*\\.?[0-9]+)`).exec(about)?.[1]
      if (about.startsWith(`${run}.*: `) && stated !== undefined) return Number(stated)
    }
  return undefined
}

function optionsOf(golden: GoldenCase, run: string): SynthesisOptions {
  const { speaker_id: speaker } = golden.about as { speaker_id?: number }
  const rate = statedOf(golden, run, 'speaking_rate')
  const noisy = run === 'noisy'
  const config = golden.config as { noise_scale: number; noise_scale_duration: number }
  return {
    ...(speaker === undefined ? {} : { speaker }),
    ...(rate === undefined ? {} : { speakingRate: rate }),
    noiseScale: noisy ? (statedOf(golden, run, 'noise_scale') ?? config.noise_scale) : 0,
    durationNoiseScale: noisy
      ? (statedOf(golden, run, 'noise_scale_duration') ?? config.noise_scale_duration)
      : 0,
    ...(noisy
      ? { noise: { durations: golden.floats('noise.duration'), prior: golden.floats('noise.prior') } }
      : {}),
  }
}

/** Token ids of a run, cut to what the mask says. */
function idsOf(golden: GoldenCase, run: string): readonly (readonly number[])[] {
  const name = golden.hasTensor(`${run}.input_ids`) ? `${run}.input_ids` : 'input_ids'
  const [rows = 0, tokens = 0] = golden.tensor(name).shape
  const ids = golden.integers(name)
  const mask = golden.hasTensor(`${run}.attention_mask`)
    ? golden.integers(`${run}.attention_mask`)
    : undefined
  return Array.from({ length: rows }, (_, row) => {
    const bits = mask?.slice(row * tokens, (row + 1) * tokens)
    const length = bits === undefined ? tokens : bits.lastIndexOf(1) + 1
    expect(bits?.slice(0, length).every((bit) => bit === 1) ?? true).toBe(true)
    return ids.slice(row * tokens, row * tokens + length)
  })
}

/** "log durations: atol 1e-4" of the advice. */
function toleranceOf(golden: GoldenCase, what: string): Tolerance {
  const { advice = '' } = golden.about.tolerance as { advice?: string }
  const stated = new RegExp(`${what}: atol ([0-9.e-]+)`).exec(advice)?.[1]
  return { ...golden.tolerance, ...(stated === undefined ? {} : { atol: Number(stated) }) }
}

/** [batch, a, b] with the last axes exchanged. */
function turned({ shape, data }: TensorValue): TensorValue {
  const [batch = 0, a = 0, b = 0] = shape
  const out = new Float32Array(data.length)
  for (let row = 0; row < batch; row++)
    for (let i = 0; i < a; i++)
      for (let j = 0; j < b; j++) out[(row * b + j) * a + i] = Number(data[(row * a + i) * b + j])
  return { dtype: 'float32', shape: [batch, b, a], data: out }
}

for (const golden of goldenCases('10'))
  describe(`golden ${golden.name}`, () => {
    let model: VitsModel
    beforeAll(async () => {
      model = await VitsModel.open(golden.folder)
    })
    afterAll(async () => {
      await model?.close()
      golden.report()
    })

    /** What the case holds of a run, by the names it uses. */
    function expectRun(run: string, made: Synthesis): void {
      const { text, latents, waveform } = made
      const { hidden } = text
      const rows = made.durations.length
      const outputs: Readonly<Record<string, TensorValue | undefined>> = {
        log_duration: text.logDurations,
        prior_means: text.means,
        prior_log_variances: text.logDeviations,
        text_hidden: hidden === undefined ? undefined : turned(hidden),
        prior_latents: latents.prior,
        latents: latents.moved,
        spectrogram: latents.frames,
        waveform: { ...waveform, shape: [rows, waveform.shape[2] ?? 0] },
      }
      const held = golden.tensorNames.filter((name) => name.startsWith(`${run}.`))
      for (const [name, value] of Object.entries(outputs)) {
        if (!held.includes(`${run}.${name}`)) continue
        const tolerance =
          name === 'log_duration'
            ? toleranceOf(golden, 'log durations')
            : name === 'waveform'
              ? toleranceOf(golden, 'waveforms')
              : golden.tolerance
        golden.expectTensor(`${run}.${name}`, value, tolerance)
      }
      expect(made.durations.flat(), `${run}.durations`).toEqual(golden.integers(`${run}.durations`))
      const lengths = golden.integers(`${run}.sequence_lengths`)
      expect(made.sounds.map((sound) => sound.length)).toEqual(lengths)
    }

    const runs = runsOf(golden)
    it('has runs to compare', () => expect(runs.length).toBeGreaterThan(0))

    it.each(runs)('%s: from ids to sound', async (run) => {
      expectRun(run, await model.synthesise(idsOf(golden, run), optionsOf(golden, run)))
    })

    it('in windows of a few frames the sound is the same', async () => {
      const small = await VitsModel.open(golden.folder, { windowFrames: 7 })
      try {
        for (const run of runs)
          expectRun(run, await small.synthesise(idsOf(golden, run), optionsOf(golden, run)))
      } finally {
        await small.close()
      }
    })

    it('the text, spoken from its letters', async () => {
      const { text } = golden.about as { text?: string }
      if (text === undefined || !golden.has('vocab.json')) return
      const tokenizer = await VitsTokenizer.read(golden.folder)
      const [run = ''] = runs.filter((name) => !golden.hasTensor(`${name}.input_ids`))
      expectRun(run, await model.synthesise([tokenizer.encode(text)], optionsOf(golden, run)))
    })

    it('what training computes', async () => {
      if (!golden.hasTensor('flow.input')) return
      const checkpoint = await openVitsCheckpoint(golden.folder)
      try {
        const graph = new Graph('training')
        buildTraining(graph, weightsOf(graph, checkpoint).parameters(), checkpoint.config)
        const frameMask = golden.tensor('flow.mask')
        const drawn = golden.tensor('posterior.noise')
        const hidden = golden.tensor('duration_nll.hidden')
        const durations = golden.tensor('duration_nll.durations')
        const ones = { ...durations, data: new Float32Array(durations.data.length).fill(1) }
        const found = await evaluate(
          graph,
          {
            spectrogram: golden.tensor('posterior.spectrogram'),
            frameMask,
            posteriorNoise: drawn,
            flowInput: golden.tensor('flow.input'),
            hidden,
            tokenMask: ones,
            durations,
            durationNoise: golden.tensor('duration_nll.noise'),
          },
          { weightsFolder: checkpoint.files.folder },
        )
        golden.expectTensor('flow_forward.output', found.flow)
        golden.expectTensor('decoder.waveform', found.sound, toleranceOf(golden, 'waveforms'))
        golden.expectTensor('posterior.latents', found['posterior.latents'])
        golden.expectTensor('posterior.mean', found['posterior.means'])
        golden.expectTensor('posterior.log_std', found['posterior.logDeviations'])
        golden.expectTensor('duration_nll.output', found.durationBound)
      } finally {
        await checkpoint.close()
      }
    })
  })
