/** Temporary files, and how a refusal must look. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { UserError } from '../../../src/errors.js'

const directory = mkdtempSync(join(tmpdir(), 'plumbline-files-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let serial = 0

/** A path in a directory that goes when the tests end. */
export function temporaryPath(name = 'file'): string {
  return join(directory, `${serial++}-${name}`)
}

export function temporaryFile(content: Uint8Array | string, name = 'file'): string {
  const path = temporaryPath(name)
  writeFileSync(path, content)
  return path
}

/** The UserError that `attempt` ends in, on one line; anything else fails the test. */
export async function refusalOf(attempt: () => unknown): Promise<UserError> {
  let error: unknown
  try {
    await attempt()
  } catch (thrown) {
    error = thrown
  }
  if (!(error instanceof UserError)) expect.fail(`no UserError but ${String(error)}`)
  expect(error.line).not.toMatch(/[\p{Cc}]/u)
  return error
}

/** Runs `attempt`; a UserError counts as refused, any other error fails the test. */
export async function isRefused(attempt: () => unknown): Promise<boolean> {
  try {
    await attempt()
    return false
  } catch (error) {
    if (error instanceof UserError) return true
    throw error
  }
}

/** A small deterministic generator (mulberry32), so that a failing fuzz run can be repeated. */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Copies of `bytes`: cut short, with bytes changed, with a run overwritten. */
export function* mutations(bytes: Uint8Array, count: number, seed: number): Generator<Uint8Array> {
  const random = randomIntegers(seed)
  for (let i = 0; i < count; i++) {
    const copy = bytes.slice(0, i % 3 === 0 ? random(bytes.length) : bytes.length)
    if (copy.length === 0) {
      yield copy
      continue
    }
    for (let changes = 1 + random(4); changes > 0; changes--) copy[random(copy.length)] = random(256)
    if (i % 5 === 0) copy.fill(0xff, random(copy.length), random(copy.length))
    yield copy
  }
}
