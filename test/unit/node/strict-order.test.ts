/** Several strict attempts: delta is split, the best guarantee stands. */
import { expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import type { MeasureCall } from '../../../src/node/measure.js'
import { bestOf, mostChosenTeams } from '../../../src/node/strict-order.js'
import { chooseStrict } from '../../../src/pob/strict-choice.js'
import type { MeasureResult } from '../../../src/roles/measure-result.js'

const call = (more: Partial<MeasureCall>): MeasureCall => ({
  target: 'a',
  profile: 'strict',
  claimMbps: 100,
  faulty: 0,
  ...more,
})

/** Measures what it is told, in order; an error is thrown. */
function measuring(outcomes: readonly (number | Error)[]) {
  const deltas: (number | undefined)[] = []
  const measure = async ({ deltaMillionths }: MeasureCall): Promise<MeasureResult> => {
    const outcome = outcomes[deltas.length]
    deltas.push(deltaMillionths)
    if (outcome instanceof Error) throw outcome
    return {
      challengeId: String(deltas.length),
      guaranteedMbps: outcome,
      faultTolerance: { assumptions: 'each' },
    } as MeasureResult
  }
  return { deltas, measure }
}

it('splits delta, and shows the best with all that were made', async () => {
  const { deltas, measure } = measuring([20, 60, 40])
  const result = await bestOf(call({ attempts: 3, deltaMillionths: 10_000 }), measure)
  expect(deltas).toEqual([3333, 3333, 3333])
  expect(result.guaranteedMbps).toBe(60)
  expect(result.faultTolerance.assumptions).toBe('each; for the best of up to 3 attempts, >= 0.99')
  expect(result.bestOf?.map(({ guaranteedMbps }) => guaranteedMbps)).toEqual([20, 60, 40])
})

it('ends with one that says enough, and counts one that came to nothing', async () => {
  const failed = new UserError('too slow', { code: 'UNAVAILABLE' })
  const { deltas, measure } = measuring([failed, 90, 99])
  expect((await bestOf(call({ attempts: 3 }), measure)).guaranteedMbps).toBe(90)
  expect(deltas).toHaveLength(2)
  await expect(bestOf(call({ attempts: 2 }), measuring([failed, failed]).measure)).rejects.toBe(failed)
})

it('does not try again what cannot work, nor splits what is too small', async () => {
  const wrong = new UserError('no such peer', { code: 'BAD_ARGUMENT' })
  const { deltas, measure } = measuring([wrong, 90])
  await expect(bestOf(call({ attempts: 2 }), measure)).rejects.toBe(wrong)
  expect(deltas).toHaveLength(1)
  await expect(bestOf(call({ attempts: 3, deltaMillionths: 2 }), measure)).rejects.toMatchObject({
    code: 'BAD_ARGUMENT',
  })
})

it('knows a bound on the teams that any pool can lead to', () => {
  for (const uplinkKbps of [1_000_000, 70_000, 45_000]) {
    const asked = { betaMillionths: 100_000, deltaMillionths: 10_000, claimKbps: 100_000 }
    const choice = chooseStrict({ ...asked, uplinksKbps: Array.from({ length: 500 }, () => uplinkKbps) })
    expect(choice?.teams).toBeLessThanOrEqual(mostChosenTeams({ ...asked } as never))
  }
})
