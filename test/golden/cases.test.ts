/** The set as a whole: every case has a test file, and those of later parts are listed as skipped. */

import { describe, expect, it } from 'vitest'
import { caseNames, isLater, laterParts, partOf } from './harness.js'

/** Which test file reads which case, by the beginning of the case's name. */
const readers: Readonly<Record<string, string>> = {
  '01': 'wav2vec2-ctc',
  '02': 'wav2vec2-ctc',
  '03': 'mms-adapters',
  '04': 'mms-lid',
  '05': 'wav2vec2-pretraining',
  '06': 'hubert-units',
  '07': 'data2vec-audio',
  '08': 'data2vec-text',
  '09': 'data2vec-vision',
  '10': 'vits',
  '11': 'speech-translation',
  '14a': 'engine-losses',
  '14b': 'engine-layers',
  '14c': 'engine-optim',
  '14d': 'engine-losses',
  '14f': 'engine-losses',
  '15': 'files',
  '16': 'files-audio',
}

describe('golden cases', () => {
  it('every case of the set is read by a test', () => {
    const names = caseNames()
    expect(names.length).toBeGreaterThan(0)
    const unread = names.filter(
      (name) => !isLater(name) && !Object.keys(readers).some((part) => partOf(name).startsWith(part)),
    )
    expect(unread).toEqual([])
  })

  for (const [part, family] of Object.entries(laterParts)) {
    const present = caseNames().filter((name) => partOf(name).startsWith(part))
    for (const name of present.length > 0 ? present : [`${part}*`])
      it.skip(`${name} (${family}): belongs to a later part`)
  }
})
