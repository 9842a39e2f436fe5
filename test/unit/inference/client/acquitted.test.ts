/** Who alone offers a model, and is blamed: auditors are asked about it before a job is refused. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { Choice, type ChoiceModules } from '../../../../src/inference/client/choice.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import type { Job } from '../../../../src/inference/job.js'

const MODEL = '07'.repeat(32)
const job: Job = {
  ...{ task: 'translate', model: MODEL, input: { kind: 'text', text: 'good day' }, parameters: {} },
}
const model = {
  ...{ id: 'm', sha256: new Uint8Array(32).fill(7), task: 'translate', languages: [], unit: 'character' },
  priceWeiPerUnit: 1n,
}
const { publicKey, peerId } = Identity.generate()

describe('who is blamed by one auditor, and acquitted by another', () => {
  let met = 0
  beforeEach(() => {
    met = 0
  })
  const found = [{ offer: { peerId, publicKey, models: [model], underWay: 0 }, latencyMs: 1 }]
  const modules = {
    offers: {
      find: async () => [{ offer: { peerId, publicKey, models: [model], underWay: 0 }, latencyMs: 1 }],
    },
    purse: { isOpen: true, hasChannel: () => false, hasDelivered: () => false },
    conduct: new Conduct({ now: () => 0 }),
    left: { has: () => false },
    budget: undefined,
    audits: {
      isTimely: () => true,
      keep: () => {},
      meet: async () => void met++,
      // One auditor blames it; another acquitted it, which this node hears when it asks.
      isAvoided: () => met === 0,
      goodFindings: () => 0,
    },
  } as unknown as ChoiceModules
  const choice = new Choice({ exposureWei: 10n ** 18n }, modules)

  it('is asked about before a job is refused, where nobody else offers the model', async () => {
    const chosen = await choice.candidates(job, {})
    expect(chosen.map(({ offer }) => offer.peerId)).toEqual([peerId])
  })

  it('is asked about when models are listed, and nobody waits for that', () => {
    choice.askAbout(found as never)
    expect(met).toBe(1)
    choice.askAbout(found as never)
    expect(met).toBe(1)
  })
})
