/**
 * The recogniser's split, checked by another rule's hand: what models/asr-small/split.txt holds out against every
 * sentence that the recipe trains on, by sound or by text. Needs the Debian packages of the recipe.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { DATA_RECIPE, planJobs } from '../../../../src/models/asr-small/data/jobs.js'
import { ASR_SMALL_NEEDS, checkNeeds, installLine } from '../../../../src/models/recipes/needs.js'

const list = fileURLToPath(new URL('../../../../models/asr-small/split.txt', import.meta.url))
const heldOut = new Set(
  readFileSync(list, 'utf8')
    .split('\n')
    .filter((line) => /^(?:test|dev|librivox)\t/.test(line))
    .map((line) => line.split('\t')[2] ?? ''),
)
const missing = installLine(await checkNeeds(ASR_SMALL_NEEDS, '/'), '/')

/** Runs of words of a sentence, as texts. */
function runs(words: readonly string[], length: number): readonly string[] {
  return words
    .slice(0, Math.max(0, words.length - length + 1))
    .map((_, i) => words.slice(i, i + length).join(' '))
}

/** Share of the longer sentence's words that both have in the same order (longest common subsequence). */
function shared(a: readonly string[], b: readonly string[]): number {
  let before = new Array<number>(b.length + 1).fill(0)
  for (const word of a) {
    const row = [0]
    for (const [j, other] of b.entries())
      row.push(word === other ? (before[j] ?? 0) + 1 : Math.max(before[j + 1] ?? 0, row[j] ?? 0))
    before = row
  }
  return (before.at(-1) ?? 0) / Math.max(a.length, b.length)
}

describe('what the recogniser is tested on', () => {
  it('is about eighty sentences, and more to choose by', () => {
    expect(heldOut.size).toBeGreaterThan(80)
  })

  it.skipIf(missing !== undefined)(
    `is in nothing that it trains on${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    { timeout: 300_000 },
    async () => {
      const { jobs, texts } = await planJobs(DATA_RECIPE)
      const spoken = jobs.filter(({ split }) => split === 'train').map(({ text }) => text)
      const trained = new Set([...spoken, ...texts.prompts, ...texts.domain, ...texts.general])
      expect(trained.size).toBeGreaterThan(20_000)
      const held = [...heldOut].map((text) => ({
        text,
        words: text.split(' '),
        known: new Set(text.split(' ')),
      }))
      const lengths = new Set(held.map(({ words }) => words.length))
      const faults: string[] = []
      for (const sentence of trained) {
        const words = sentence.split(' ')
        // Contained or equal: a run of the trained sentence's words is a whole held-out sentence.
        for (const length of lengths)
          for (const run of runs(words, length)) if (heldOut.has(run)) faults.push(`${sentence} > ${run}`)
        if (words.length < 3) continue
        for (const { text, words: theirs, known } of held) {
          if (` ${text} `.includes(` ${sentence} `)) faults.push(`${sentence} < ${text}`)
          // Nearly the same: fewer than one word in four is changed, added or left out.
          if (Math.abs(words.length - theirs.length) > theirs.length / 4) continue
          // Words in common at all bound those in the same order, and cost far less.
          const common = words.filter((word) => known.has(word)).length
          if (common > 0.75 * Math.max(words.length, theirs.length) && shared(words, theirs) > 0.75)
            faults.push(`${sentence} ~ ${text}`)
        }
      }
      expect(faults).toEqual([])
    },
  )
})
