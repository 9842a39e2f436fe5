/** What is said where a model does not fit: figures that a person can act on. */
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { cardText } from '../../../../src/cli/models-show.js'
import { type ModelCard, readCard } from '../../../../src/inference/catalogue/card.js'
import { LocalModel } from '../../../../src/inference/local/local-model.js'
import { doesNotFit } from '../../../../src/inference/local/memory-limit.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const GIB = 2 ** 30

describe('a model that does not fit', () => {
  let card: ModelCard
  beforeAll(async () => {
    const read = await readCard(firstCase('01').folder, 'large')
    card = { ...read, memoryBytes: 2 * GIB, int8MemoryBytes: GIB }
  })

  it('fits where the limit is what was said to be needed', () => {
    const bytes = fc.integer({ min: 2 ** 24, max: 2 ** 40 })
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [have, need] = [Math.min(a, b), Math.max(a, b)]
        const { message } = doesNotFit('large', have, need, '')
        const [, had, needed] = /^large does not fit: have (\S+) GiB, need (\S+) GiB$/.exec(message) ?? []
        // As --memory is read.
        expect(Math.round(Number(needed) * GIB)).toBeGreaterThanOrEqual(need)
        expect(Math.round(Number(had) * GIB)).toBeLessThanOrEqual(have + 0.001 * GIB)
      }),
    )
  })

  it('is refused with what to do: the limit, eight bits where those fit, a smaller one', async () => {
    const refused = (memoryBytes: number, int8 = false) =>
      LocalModel.open(card, { memoryBytes, int8 }).then(
        () => undefined,
        ({ message, remedy }) => ({ message, remedy }),
      )
    expect(await refused(1.5 * GIB)).toEqual({
      message: 'large does not fit: have 1.50 GiB, need 2.00 GiB',
      remedy:
        'raise the limit (--memory, or inference.localMemoryGiB) to 2.00, use eight bits (--int8: 1.00 GiB), or use a smaller model',
    })
    const neither = 'raise the limit (--memory, or inference.localMemoryGiB) to'
    expect(await refused(GIB / 2)).toMatchObject({ remedy: `${neither} 2.00, or use a smaller model` })
    expect(await refused(GIB / 2, true)).toMatchObject({ remedy: `${neither} 1.00, or use a smaller model` })
  })

  it('is shown as such as soon as it is added', () => {
    expect(cardText(card, 4 * GIB)).not.toMatch(/does not run here/)
    expect(cardText(card, 1.5 * GIB)).toMatch(/this machine has 1\.6 GB: it does not run here/)
  })
})
