/** Who is asked about at auditors before a job: its candidates, in the order in which they would be chosen. */
import { expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { Choice, type ChoiceModules } from '../../../../src/inference/client/choice.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import type { Job } from '../../../../src/inference/job.js'

const MODEL = '07'.repeat(32)
const sha256 = new Uint8Array(32).fill(7)
const job: Job = {
  ...{ task: 'translate', model: MODEL, input: { kind: 'text', text: 'good day' }, parameters: {} },
}

function offerOf(name: string, priceWeiPerUnit: bigint, offered = sha256) {
  const model = {
    id: 'm',
    sha256: offered,
    task: 'translate',
    languages: [],
    unit: 'character',
    priceWeiPerUnit,
  }
  const { publicKey } = Identity.generate()
  return { offer: { peerId: name, publicKey, models: [model], underWay: 0 }, latencyMs: 1 }
}

it('the cheapest that would do the job come first, and what does not offer it behind', async () => {
  const found = [
    offerOf('other model', 1n, new Uint8Array(32)),
    offerOf('dear', 9n),
    offerOf('cheat', 2n),
    offerOf('honest', 3n),
  ]
  let met: readonly (readonly string[])[] = []
  const modules = {
    offers: { find: async () => found },
    purse: { isOpen: true, hasChannel: () => false, hasDelivered: () => false },
    conduct: new Conduct({ now: () => 0 }),
    left: { has: () => false },
    budget: undefined,
    audits: {
      isTimely: () => true,
      keep: () => {},
      meet: async (...groups: readonly (readonly { readonly peerId: string }[])[]) => {
        met = groups.map((group) => group.map(({ peerId }) => peerId))
      },
      // Known once it was asked about.
      isAvoided: (peerId: string) => met.length > 0 && peerId === 'cheat',
      goodFindings: () => 0,
    },
  } as unknown as ChoiceModules
  const choice = new Choice({ exposureWei: 10n ** 18n }, modules)
  const chosen = await choice.candidates(job, {})
  expect(met).toEqual([['cheat', 'honest', 'dear'], ['other model']])
  expect(chosen.map(({ offer }) => offer.peerId)).toEqual(['honest', 'dear'])
})
