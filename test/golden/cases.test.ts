/** The set as a whole: every case is opened by a test, and those of later parts are listed as skipped. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { caseNames, isLater, type Kind, laterParts, namesOf, namesOfKind, partOf } from './harness.js'

/** The cases that the tests of this folder open: each of their calls is answered as they are answered. */
function openedByTests(): ReadonlySet<string> {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts') && file !== 'cases.test.ts')
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8'))
  // Calls whose cases are filtered again do not count: they may leave some out.
  const calls = texts.flatMap((text) => [
    ...text.matchAll(/\b(goldenCases|\w+OfKind)\(([^)]*)\)(?!\s*\.filter)/g),
  ])
  return new Set(
    calls.flatMap(([, name, given = '']) => {
      const quoted = Array.from(given.matchAll(/'([^']*)'/g), ([, text]) => text ?? '')
      return name === 'goldenCases' ? namesOf(...quoted) : quoted.flatMap((kind) => namesOfKind(kind as Kind))
    }),
  )
}

describe('golden cases', () => {
  const opened = openedByTests()
  const unread = caseNames().filter((name) => !isLater(name) && !opened.has(name))

  it('every case of our set is opened by a test', () => {
    expect(caseNames().length).toBeGreaterThan(0)
    if (process.env.GOLDEN_DIR === undefined) expect(unread).toEqual([])
  })

  if (process.env.GOLDEN_DIR !== undefined)
    for (const name of unread) it.skip(`${name}: of no kind that is known here`)

  for (const [part, family] of Object.entries(laterParts)) {
    const present = caseNames().filter((name) => partOf(name).startsWith(part))
    for (const name of present.length > 0 ? present : [`${part}*`])
      it.skip(`${name} (${family}): belongs to a later part`)
  }
})
