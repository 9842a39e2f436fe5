/** The set as a whole: every case has a test file, and those of later parts are listed as skipped. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { caseNames, isLater, laterParts, partOf } from './harness.js'

/** Every text in quotes of the tests in this folder: they name the cases that they read. */
function namedInTests(): readonly string[] {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const sources = readdirSync(folder).filter((file) => file.endsWith('.test.ts') && file !== 'cases.test.ts')
  return sources.flatMap((file) =>
    Array.from(readFileSync(join(folder, file), 'utf8').matchAll(/'([^'\n]*)'/g), ([, text]) => text ?? ''),
  )
}

describe('golden cases', () => {
  const named = namedInTests()
  const digits = (name: string): string => /^\d+/.exec(name)?.[0] ?? ''
  const unread = caseNames().filter((name) => {
    const part = partOf(name)
    return (
      !isLater(name) &&
      !named.some((text) => [part, digits(part)].includes(text) || text.startsWith(`${part}-`))
    )
  })

  it('every case of the set is read by a test', () => {
    expect(caseNames().length).toBeGreaterThan(0)
    expect(unread).toEqual([])
  })

  for (const [part, family] of Object.entries(laterParts)) {
    const present = caseNames().filter((name) => partOf(name).startsWith(part))
    for (const name of present.length > 0 ? present : [`${part}*`])
      it.skip(`${name} (${family}): belongs to a later part`)
  }
})
