/** Whether a bought label is to be believed, by the model's own files where they are here. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import { ModelHashes } from '../../../../src/inference/catalogue/model-hash.js'
import { Sureness } from '../../../../src/inference/catalogue/sureness.js'
import type { JobAnswer } from '../../../../src/inference/job.js'
import { decodeOutput, encodeOutput } from '../../../../src/inference/network/job-codec.js'
import { readConfig } from '../../../../src/models/checkpoint/config-file.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-sureness-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const labelled = (probability?: number): JobAnswer => ({
  output: { kind: 'labels', labels: probability === undefined ? [] : [{ label: 'en', probability }] },
  runSeconds: 0,
})

it('is judged by the threshold of a model that is known here, and of no other', async () => {
  const card = (await Catalogue.open(directory)).get('language-id')
  const sha256 = await (await ModelHashes.open(directory)).of(card)
  const threshold = Number((await readConfig(card.directory)).threshold)
  expect(threshold).toBeGreaterThan(0)
  const sureness = new Sureness(directory)
  const isSure = async (answer: JobAnswer, model = sha256): Promise<unknown> => {
    const { output } = await sureness.judged(answer, model)
    return output.kind === 'labels' ? output.isSure : 'no labels'
  }
  expect(await isSure(labelled(threshold))).toBe(true)
  expect(await isSure(labelled(threshold - 0.001))).toBe(false)
  // A sound in which nothing is heard.
  expect(await isSure(labelled())).toBe(false)
  expect(await isSure(labelled(1), 'ab'.repeat(32))).toBeUndefined()
  const text: JobAnswer = { output: { kind: 'translation', text: 'a' }, runSeconds: 0 }
  expect(await sureness.judged(text, sha256)).toBe(text)
})

it('does not travel: what is sold is what the nodes of today read', () => {
  const { output } = labelled(0.5)
  const told = { ...output, isSure: false } as typeof output
  expect(encodeOutput(told)).toEqual(encodeOutput(output))
  expect(decodeOutput(encodeOutput(told))).toEqual(output)
})
