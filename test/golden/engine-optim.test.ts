/** Golden cases of the kind of 14c: Adam and AdamW trajectories, clipping, schedules, moving averages. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  Adam,
  clipFactor,
  cosineRate,
  followStudent,
  inverseRootRate,
  linearDecay,
  norm,
  polynomialRate,
  type Schedule,
  triStageRate,
} from '../../src/ml/optim/index.js'
import { engineCasesOfKind, expectClose, tensorOf } from './engine-case.js'

/** values.json is in double precision. */
const DOUBLE = 1e-9

describe.each(engineCasesOfKind('optimisation'))('golden $name', (golden) => {
  const values = JSON.parse(readFileSync(`${golden.folder}/values.json`, 'utf8'))
  const names = Object.keys(golden.tensors)

  const flat = (parts: readonly string[]): Float32Array =>
    Float32Array.from(parts.flatMap((name) => [...(tensorOf(golden, name).data as Float32Array)]))
  const parametersUnder = (prefix: string): string[] =>
    names
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort()
  const stepsUnder = (pattern: RegExp): number =>
    Math.max(...names.map((name) => Number(pattern.exec(name)?.[1] ?? 0)))

  function expectParts(actual: Float32Array, parts: readonly string[]): void {
    let at = 0
    for (const name of parts) {
      const expected = tensorOf(golden, name)
      expectClose(actual.subarray(at, at + expected.data.length), expected, golden, name)
      at += expected.data.length
    }
    expect(at).toBe(actual.length)
  }

  describe('optimisers', () => {
    const config = values.adam_config
    const parts = parametersUnder('init.')
    const steps = stepsUnder(/^grad\.step(\d+)\./)

    it.each(['adam', 'adamw'])('%s', (kind) => {
      const parameters = flat(parts.map((part) => `init.${part}`))
      const adam = new Adam(parameters.length, {
        beta1: config.betas[0],
        beta2: config.betas[1],
        epsilon: config.eps,
        weightDecay: config[`${kind}_weight_decay`],
        decoupled: kind === 'adamw',
      })
      expect(steps).toBeGreaterThan(0)
      for (let step = 1; step <= steps; step++) {
        adam.update(parameters, flat(parts.map((part) => `grad.step${step}.${part}`)), config.lr)
        expectParts(
          parameters,
          parts.map((part) => `${kind}.step${step}.${part}`),
        )
      }
    })

    it('clips by the norm of all gradients together', () => {
      const step = Array.from({ length: steps }, (_, i) => i + 1).find((i) => {
        const total = norm(flat(parts.map((part) => `grad.step${i}.${part}`)))
        return Math.abs(total - values.clip.total_norm) <= golden.rtol * values.clip.total_norm
      })
      expect(step).toBeDefined()
      const gradient = flat(parts.map((part) => `grad.step${step}.${part}`))
      const factor = clipFactor(norm(gradient), values.clip.max_norm)
      expectParts(
        gradient.map((value) => value * factor),
        parts.map((part) => `clipped.${part}`),
      )
    })
  })

  describe('schedules', () => {
    type Config = Readonly<Record<string, number | readonly number[]>>
    /** A setting that is a number, or the first of a list. */
    const setting = (config: Config, name: string, otherwise = 0): number => {
      const value = config[name]
      return typeof value === 'number' ? value : (value?.[0] ?? otherwise)
    }
    const cosine = (config: Config): Schedule =>
      cosineRate({
        peak: setting(config, 'lr'),
        least: setting(config, 'min_lr'),
        warmUp: setting(config, 'warmup_updates'),
        from: setting(config, 'warmup_init_lr'),
        period: setting(
          config,
          'lr_period_updates',
          setting(config, 'max_update') - setting(config, 'warmup_updates'),
        ),
        restarts: config.lr_period_updates !== undefined,
        stretch: setting(config, 't_mult', 1),
        shrink: setting(config, 'lr_shrink', 1),
      })
    const makers: Readonly<Record<string, (config: Config) => Schedule>> = {
      cosine,
      cosine_restarts: cosine,
      tri_stage: (config) => {
        const [up = 0, hold = 0, down = 0] = config.phase_ratio as readonly number[]
        return triStageRate({
          peak: setting(config, 'lr'),
          phases: [up, hold, down],
          updates: setting(config, 'max_update'),
          first: setting(config, 'init_lr_scale'),
          last: setting(config, 'final_lr_scale'),
        })
      },
      inverse_sqrt: (config) =>
        inverseRootRate(setting(config, 'lr'), {
          warmUp: setting(config, 'warmup_updates'),
          from: Math.max(setting(config, 'warmup_init_lr'), 0),
        }),
      polynomial_decay: (config) =>
        polynomialRate({
          peak: setting(config, 'lr'),
          warmUp: setting(config, 'warmup_updates'),
          end: setting(config, 'end_learning_rate'),
          power: setting(config, 'power', 1),
          updates: setting(config, 'total_num_update'),
        }),
      torch_cosine_annealing: (config) =>
        cosineRate({
          peak: setting(config, 'lr'),
          least: setting(config, 'eta_min'),
          warmUp: 0,
          period: setting(config, 'T_max'),
        }),
      ema_decay_linear: (config) =>
        linearDecay(setting(config, 'start'), setting(config, 'end'), setting(config, 'total_steps')),
    }
    const listed = Object.entries(values as Record<string, Record<string, [number, number][]>>).flatMap(
      ([name, entry]) => {
        const points = entry.lr_at_update ?? entry.closed_form ?? entry.decay_at_update
        return points === undefined ? [] : [[name, points] as const]
      },
    )

    it.each(listed)('%s', (name, points) => {
      const make = makers[name]
      if (make === undefined) throw new Error(`no schedule ${name}`)
      const schedule = make(values[name].config)
      for (const [update, expected] of points)
        expect(Math.abs(schedule(update) - expected), `${name} at ${update}`).toBeLessThanOrEqual(
          DOUBLE * Math.abs(expected),
        )
    })
  })

  describe('the teacher that follows', () => {
    it('ema', () => {
      const parts = parametersUnder('ema.init.')
      const teacher = flat(parts.map((part) => `ema.init.${part}`))
      const decays: number[] = values.ema_steps.decays
      decays.forEach((decay, i) => {
        followStudent(teacher, flat(parts.map((part) => `ema.student${i + 1}.${part}`)), decay)
        expectParts(
          teacher,
          parts.map((part) => `ema.teacher${i + 1}.${part}`),
        )
      })
      expect(decays.length).toBeGreaterThan(0)
    })
  })
})
