/** Counts what fast-check feeds to properties, and tells the file that FUZZ_COUNT names. */
import { appendFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll } from 'vitest'

let runs = 0
const count = () => {
  runs++
}
// Asynchronous properties call it as well.
fc.configureGlobal({ beforeEach: count })

afterAll(() => {
  const path = process.env.FUZZ_COUNT
  if (path !== undefined) appendFileSync(path, `${runs}\n`)
})
