/** Which of the models that are offered is bought: a squatter's name and price choose nothing. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chooseOffered } from '../../../src/cli/buy-options.js'
import { KnownModels, readKnownModels } from '../../../src/inference/catalogue/known-models.js'
import { servedModels } from '../../../src/inference/client/candidates.js'
import type { FoundOffer } from '../../../src/inference/client/offers.js'
import type { ServedModel } from '../../../src/inference/job.js'
import { silentLogger } from '../../../src/telemetry/logger.js'

const OURS = 'aa'.repeat(32)
const GARBAGE = 'bb'.repeat(32)
const OTHER = 'cc'.repeat(32)
const known = new KnownModels([{ name: 'asr-small', sha256: OURS }])

type Offered = Pick<ServedModel, 'id' | 'sha256'> & Partial<ServedModel>
const served = ({ id, sha256, ...more }: Offered): ServedModel => ({
  id,
  sha256,
  task: 'transcribe',
  languages: ['en'],
  licence: null,
  unit: 'audio-second',
  priceWeiPerUnit: 0n,
  ownedBy: 'somebody',
  addedAtMs: 0,
  standing: known.standing(id, sha256),
  ...more,
})
const ours = served({ id: 'asr-small', sha256: OURS, priceWeiPerUnit: 2000n })
const squatter = served({ id: 'asr-small', sha256: GARBAGE })
const cheap = served({ id: 'best-ever', sha256: OTHER })
const purchase = { task: 'transcribe', parameters: {} } as const
const choose = (models: readonly ServedModel[], model?: string, isAnyTaken = false) =>
  chooseOffered(models, { model, isAnyTaken }, purchase)

describe('the choice of what is bought', () => {
  it('is never the cheapest that nobody here knows, where one that is known is offered', async () => {
    for (const isAnyTaken of [false, true])
      expect(await choose([cheap, squatter, ours], undefined, isAnyTaken)).toBe(ours)
  })

  it('takes a name for the files that have it here, and refuses others of that name', async () => {
    expect(await choose([squatter, ours], 'asr-small')).toBe(ours)
    await expect(choose([squatter, cheap], 'asr-small', true)).rejects.toMatchObject({
      code: 'DENIED',
      remedy: expect.stringContaining(`asr-small@${GARBAGE.slice(0, 12)}`),
    })
    for (const name of [GARBAGE, GARBAGE.toUpperCase(), `asr-small@${GARBAGE.slice(0, 12)}`])
      expect(await choose([squatter, ours], name)).toBe(squatter)
  })

  it('takes what nobody here knows only where it is named, or where any will do', async () => {
    await expect(choose([cheap, squatter])).rejects.toMatchObject({
      code: 'DENIED',
      remedy: expect.stringMatching(/best-ever.*--any-model/),
    })
    expect(await choose([cheap, squatter], undefined, true)).toBe(cheap)
    expect(await choose([cheap, squatter], 'best-ever')).toBe(cheap)
  })

  it('does not choose between two that have one name', async () => {
    const twin = served({ id: 'best-ever', sha256: 'dd'.repeat(32), priceWeiPerUnit: 5n })
    await expect(choose([cheap, twin], 'best-ever', true)).rejects.toMatchObject({
      code: 'DENIED',
      remedy: expect.stringMatching(new RegExp(`best-ever@${'c'.repeat(12)}.*best-ever@${'d'.repeat(12)}`)),
    })
  })

  it('says what a provider sells that was named and does not do it', async () => {
    const asked = { task: 'identify', parameters: {} } as const
    const wanted = { model: undefined, isAnyTaken: false }
    const refusal = (models: readonly ServedModel[], providers: number) =>
      chooseOffered(models, { ...wanted, providers }, asked).catch((error: unknown) => String(error))
    expect(await refusal([ours], 1)).toContain(
      'the provider that you named sells asr-small (transcribe) only',
    )
    expect(await refusal([ours, cheap], 2)).toMatch(/providers that you named sell .*, best-ever .* only/)
    expect(await refusal([], 1)).toContain('sells nothing that this node buys')
    expect(await refusal([ours], 0)).toContain('no provider was found that does identify')
  })

  it('counts a known model that has not the language as none', async () => {
    const german = served({ id: 'deutsch', sha256: OTHER, languages: ['de'] })
    const asked = { ...purchase, parameters: { language: 'de' } }
    const wanted = { model: undefined, isAnyTaken: false }
    await expect(chooseOffered([german, ours], wanted, asked)).rejects.toMatchObject({ code: 'DENIED' })
    expect(await chooseOffered([german, ours], { ...wanted, isAnyTaken: true }, asked)).toBe(german)
    await expect(chooseOffered([ours], wanted, asked)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('what is offered', () => {
  it('has the name here of what is known here, whatever its provider calls it', () => {
    const sha256 = Uint8Array.from(Buffer.from(OURS, 'hex'))
    const model = { id: 'mine', sha256, task: 'transcribe', languages: [], unit: 'audio-second' } as const
    const offer = { peerId: 'p', models: [{ ...model, priceWeiPerUnit: 1n }], sequence: 1 }
    const found = [{ offer, target: '', latencyMs: undefined }] as unknown as readonly FoundOffer[]
    expect(servedModels(found, known, false)).toMatchObject([
      { id: 'asr-small', sha256: OURS, standing: { names: ['asr-small'], isNamesake: false } },
    ])
  })

  it('is known by the hash of the files that come with the package', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'plumbline-known-'))
    try {
      const mine = await readKnownModels(dataDir, silentLogger)
      const kept = JSON.parse(await readFile(join(dataDir, 'model-hashes.json'), 'utf8'))
      const { sha256 } = kept.hashes.find(({ directory }: { directory: string }) =>
        directory.endsWith('asr-small'),
      )
      expect(mine.standing('whatever', sha256)).toEqual({ names: ['asr-small'], isNamesake: false })
      expect(mine.standing('asr-small', GARBAGE)).toEqual({ names: [], isNamesake: true })
    } finally {
      await rm(dataDir, { recursive: true })
    }
  })
})
