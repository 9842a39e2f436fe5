/** Where the golden cases lie, and how their tensors are read and compared. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { SafetensorsFile } from '../../src/ml/files/safetensors-reader.js'
import { goldenDirectory } from './harness.js'

export { goldenDirectory }

export const inCase = (...parts: readonly string[]): string => join(goldenDirectory, ...parts)

/** Folders of the set that satisfy `has`, by name. */
export function casesWith(...files: readonly string[]): readonly string[] {
  return readdirSync(goldenDirectory)
    .filter((name) => files.every((file) => existsSync(inCase(name, file))))
    .toSorted()
}

export function caseJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(inCase(name, 'case.json'), 'utf8')) as Record<string, unknown>
}

/** |actual - expected| <= atol + rtol |expected|, element by element; equal infinities pass. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol }: { readonly rtol: number; readonly atol: number },
): void {
  expect(actual.length).toBe(expected.length)
  let worst = 0
  let where = -1
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] ?? Number.NaN
    const got = actual[i] ?? Number.NaN
    const excess = got === want ? 0 : Math.abs(got - want) - (atol + rtol * Math.abs(want))
    if (!(excess <= worst)) {
      worst = excess
      where = i
    }
  }
  expect(where, `worst at ${where}: ${actual[where]} for ${expected[where]}`).toBe(-1)
}

/** Runs `use` on an open file and closes it. */
export async function withTensors<Result>(
  path: string,
  use: (file: SafetensorsFile) => Promise<Result>,
): Promise<Result> {
  const file = await SafetensorsFile.open(path)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}
